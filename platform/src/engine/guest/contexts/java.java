import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import jdk.jshell.Diag;
import jdk.jshell.EvalException;
import jdk.jshell.JShell;
import jdk.jshell.JShellException;
import jdk.jshell.Snippet;
import jdk.jshell.SnippetEvent;
import jdk.jshell.SourceCodeAnalysis;
import jdk.jshell.SourceCodeAnalysis.Completeness;
import jdk.jshell.UnresolvedReferenceException;
import sun.misc.Signal;

/**
 * A context of Java: takes pieces of code from the service, one after the other, and keeps what they define. They run in this
 * process, by JShell. The connection is file 0, which is a socket: the only one that Java reads and writes without being asked
 * to open it.
 */
class Main {
  static final int EXECUTE = 0x69, RESULT = 0x6d, DISPLAY = 0x6e;
  static final int MAX_TEXT = 128 * 1024, MAX_FRAME = 1024 * 1024 + 64, PIECE = 256 * 1024;
  static final List<String> IMPORTS = List.of("java.io", "java.math", "java.net", "java.nio.file", "java.util",
      "java.util.concurrent", "java.util.function", "java.util.regex", "java.util.stream");

  static final OutputStream told = new FileOutputStream(FileDescriptor.in);
  static volatile JShell shell;
  static volatile boolean busy, interrupted;

  public static void main(String[] arguments) throws Exception {
    DataInputStream asked = new DataInputStream(new FileInputStream(FileDescriptor.in));
    System.setIn(new ByteArrayInputStream(new byte[0]));
    Signal.handle(new Signal("INT"), signal -> {
      if (!busy) return;
      interrupted = true;
      shell.stop();
    });
    System.getenv().forEach((name, value) -> System.getProperties().putIfAbsent(name, value));
    System.clearProperty("WARREN_LANGUAGE");
    shell = JShell.builder().executionEngine("local").build();
    for (String name : IMPORTS) shell.eval("import " + name + ".*;");
    try {
      for (;;) {
        int length = asked.readInt();
        if (length < 1 || length > MAX_FRAME) return;
        int kind = asked.readUnsignedByte();
        byte[] payload = asked.readNBytes(length - 1);
        if (kind == EXECUTE) answer(payload);
      }
    } catch (EOFException gone) {
      System.exit(0);
    }
  }

  static void answer(byte[] payload) throws IOException {
    String code = "";
    Map<String, String> before = new LinkedHashMap<>();
    for (ByteBuffer fields = ByteBuffer.wrap(payload); fields.remaining() >= 5; ) {
      int tag = fields.get();
      byte[] value = new byte[fields.getInt()];
      fields.get(value);
      String text = new String(value, StandardCharsets.UTF_8);
      if (tag == 2) code = text;
      if (tag == 4) {
        String name = text.substring(0, text.indexOf('='));
        before.put(name, System.getProperty(name));
        System.setProperty(name, text.substring(name.length() + 1));
      }
    }
    interrupted = false;
    busy = true;
    byte[] result;
    try {
      result = execute(code);
    } catch (Throwable error) {
      result = raised(error.getClass().getSimpleName(), String.valueOf(error.getMessage()), error + "\n");
    }
    busy = false;
    before.forEach((name, value) -> {
      if (value == null) System.clearProperty(name);
      else System.setProperty(name, value);
    });
    System.out.flush();
    System.err.flush();
    send(RESULT, result);
  }

  /** One snippet after the other, as far as they go well. The value of the last one is shown. */
  static byte[] execute(String code) throws IOException {
    SourceCodeAnalysis analysis = shell.sourceCodeAnalysis();
    for (String rest = code; !rest.isBlank(); ) {
      SourceCodeAnalysis.CompletionInfo next = analysis.analyzeCompletion(rest);
      boolean cut = next.completeness() == Completeness.DEFINITELY_INCOMPLETE || next.source() == null || next.source().isEmpty();
      String source = cut ? rest : next.source();
      rest = cut || next.remaining() == null ? "" : next.remaining();
      if (next.completeness() == Completeness.EMPTY) break;
      SnippetEvent shown = null;
      for (SnippetEvent event : shell.eval(source)) {
        if (interrupted) break;
        if (event.exception() != null) return thrown(event.exception());
        if (event.status() == Snippet.Status.REJECTED) return rejected(event.snippet(), source);
        // Others are those that change because of this one.
        if (event.causeSnippet() == null) shown = event;
      }
      if (interrupted) return raised("KeyboardInterrupt", "", "interrupted\n");
      if (rest.isBlank() && shown != null) show(shown);
    }
    return field(1, "completed");
  }

  static void show(SnippetEvent event) throws IOException {
    boolean isValue = event.snippet().kind() == Snippet.Kind.EXPRESSION
        || event.snippet().subKind() == Snippet.SubKind.TEMP_VAR_EXPRESSION_SUBKIND;
    if (!isValue || event.value() == null || event.value().isEmpty()) return;
    System.out.flush();
    System.err.flush();
    byte[] packed = ("{\"main\":true,\"data\":{\"text/plain\":" + quoted(cut(event.value())) + "}}").getBytes(StandardCharsets.UTF_8);
    for (int at = 0; at < packed.length; at += PIECE) {
      int end = Math.min(at + PIECE, packed.length);
      ByteBuffer piece = ByteBuffer.allocate(1 + end - at).put((byte) (end < packed.length ? 1 : 0)).put(packed, at, end - at);
      send(DISPLAY, piece.array());
    }
  }

  static byte[] thrown(JShellException error) {
    if (error instanceof EvalException) {
      EvalException own = (EvalException) error;
      String name = own.getExceptionClassName();
      return raised(name.substring(name.lastIndexOf('.') + 1), own.getMessage(), trace(own));
    }
    Snippet missing = ((UnresolvedReferenceException) error).getSnippet();
    String sentence = missing.source().strip() + " needs what is not defined";
    return raised("UnresolvedReference", sentence, sentence + "\n");
  }

  /** What was thrown and what caused it, each with the user's own frames. */
  static String trace(EvalException error) {
    StringBuilder text = new StringBuilder();
    for (EvalException one = error; one != null; ) {
      text.append(one.getExceptionClassName()).append(one.getMessage() == null ? "" : ": " + one.getMessage()).append('\n');
      for (StackTraceElement frame : one.getStackTrace()) {
        if (frame.getMethodName().equals("do_it$")) {
          text.append("\tat (").append(frame.getFileName()).append(':').append(frame.getLineNumber()).append(")\n");
          break;
        }
        String of = frame.getClassName().isEmpty() ? "" : frame.getClassName() + ".";
        String where = frame.getFileName() + ":" + frame.getLineNumber();
        text.append("\tat ").append(of).append(frame.getMethodName()).append(" (").append(where).append(")\n");
      }
      one = one.getCause() instanceof EvalException ? (EvalException) one.getCause() : null;
      if (one != null) text.append("Caused by: ");
    }
    return text.toString();
  }

  static byte[] rejected(Snippet snippet, String source) {
    List<String> lines = new ArrayList<>();
    shell.diagnostics(snippet).filter(Diag::isError).forEach(found -> {
      String message = found.getMessage(Locale.ROOT);
      int at = (int) Math.max(0, Math.min(found.getPosition(), source.length()));
      int from = source.lastIndexOf('\n', at - 1) + 1;
      int to = source.indexOf('\n', at);
      String line = source.substring(from, to < 0 ? source.length() : to);
      lines.add(message + "\n" + line + "\n" + " ".repeat(Math.max(0, at - from)) + "^");
    });
    String first = lines.isEmpty() ? "the code is not complete" : lines.get(0).substring(0, lines.get(0).indexOf('\n'));
    return raised("CompilationError", first, String.join("\n", lines) + "\n");
  }

  static byte[] raised(String name, String message, String traceback) {
    ByteArrayOutputStream fields = new ByteArrayOutputStream();
    fields.writeBytes(field(1, "raised"));
    fields.writeBytes(field(3, name));
    fields.writeBytes(field(4, cut(message == null ? "" : message)));
    fields.writeBytes(field(5, cut(traceback)));
    return fields.toByteArray();
  }

  static byte[] field(int tag, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(5 + bytes.length).put((byte) tag).putInt(bytes.length).put(bytes).array();
  }

  static void send(int kind, byte[] payload) throws IOException {
    told.write(ByteBuffer.allocate(5 + payload.length).putInt(payload.length + 1).put((byte) kind).put(payload).array());
  }

  static String cut(String text) {
    return text.length() <= MAX_TEXT ? text : text.substring(0, MAX_TEXT) + "\u2026";
  }

  static String quoted(String text) {
    StringBuilder json = new StringBuilder("\"");
    for (char letter : text.toCharArray()) {
      if (letter == '"' || letter == '\\') json.append('\\').append(letter);
      else if (letter < 32 || letter > 126) json.append(String.format("\\u%04x", (int) letter));
      else json.append(letter);
    }
    return json.append('"').toString();
  }
}
