/** One program, how its version is asked, and a piece of real work whose output shows that it was done. */
export interface Program {
  name: string
  /** The command that must be there; a Python module as `python3:MODULE`. */
  needs: string
  version: string
  /** For /bin/sh, as the sandbox's user in its home. */
  work: string
  /** What the output must contain. */
  shows: string
}

const python = (name: string, module: string, work: string, shows: string): Program => ({
  name,
  needs: `python3:${module}`,
  version: `python3 -c 'import ${module}; print(${module}.__version__)'`,
  work: `cat > check.py <<'END'\n${work}\nEND\npython3 check.py`,
  shows,
})

/** What code written by agents reaches for. */
export const programs: Program[] = [
  {
    name: 'Python',
    needs: 'python3',
    version: 'python3 --version',
    work: `python3 -c 'from multiprocessing import Pool; print(sum(Pool(4).map(abs, range(-10, 1))))'`,
    shows: '55',
  },
  {
    name: 'pip and venv',
    needs: 'pip',
    version: 'pip --version',
    work: 'python3 -m venv own && own/bin/pip --version && own/bin/python -c "import sys; print(sys.prefix)"',
    shows: '/home/user/own',
  },
  python(
    'numpy',
    'numpy',
    'import numpy as np\na = np.random.rand(400, 400)\nprint(np.allclose(a @ np.linalg.inv(a), np.eye(400), atol=1e-4))',
    'True',
  ),
  python(
    'pandas',
    'pandas',
    'import pandas as pd\nframe = pd.DataFrame({"k": ["a", "b", "a"], "n": [1, 2, 3]})\nframe.to_csv("t.csv")\nprint(pd.read_csv("t.csv").groupby("k")["n"].sum()["a"])',
    '4',
  ),
  python(
    'matplotlib',
    'matplotlib',
    'import matplotlib\nmatplotlib.use("Agg")\nimport matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.savefig("p.png")\nprint(open("p.png", "rb").read(4))',
    'PNG',
  ),
  python(
    'scipy',
    'scipy',
    'from scipy import optimize\nprint(round(optimize.brentq(lambda x: x * x - 2, 0, 2), 3))',
    '1.414',
  ),
  {
    name: 'Node.js',
    needs: 'node',
    version: 'node --version',
    work: `node -e 'const w = new (require("worker_threads").Worker)("require(\\"worker_threads\\").parentPort.postMessage(6 * 7)", { eval: true }); w.on("message", console.log)'`,
    shows: '42',
  },
  {
    name: 'npm',
    needs: 'npm',
    version: 'npm --version',
    work: 'mkdir -p one two && (cd one && npm init -y >/dev/null && npm pack --silent) && cd two && npm init -y >/dev/null && npm install --offline --no-audit --no-fund ../one/one-1.0.0.tgz && ls node_modules',
    shows: 'one',
  },
  {
    name: 'git',
    needs: 'git',
    version: 'git --version',
    work: 'git init -q repo && cd repo && git config user.email a@b && git config user.name a && echo x > f && git add f && git commit -qm first && git clone -q . ../copy && git -C ../copy log --oneline',
    shows: 'first',
  },
  {
    name: 'gcc and make',
    needs: 'gcc',
    version: 'gcc --version',
    work: `printf '#include <stdio.h>\\nint main(void) { printf("%%d\\\\n", 6 * 7); }\\n' > m.c && printf 'm: m.c\\n\\tgcc -O2 -o m m.c\\n' > Makefile && make -s && ./m`,
    shows: '42',
  },
  {
    name: 'Go',
    needs: 'go',
    version: 'go version',
    work: `printf 'package main\\nimport "fmt"\\nfunc main() { c := make(chan int); go func() { c <- 42 }(); fmt.Println(<-c) }\\n' > m.go && go run m.go`,
    shows: '42',
  },
  {
    name: 'Rust',
    needs: 'rustc',
    version: 'rustc --version',
    work: `echo 'fn main() { println!("{}", 6 * 7); }' > m.rs && rustc -O m.rs && ./m`,
    shows: '42',
  },
  {
    name: 'Java',
    needs: 'java',
    version: 'java --version',
    work: `echo 'public class M { public static void main(String[] a) { System.out.println(java.util.stream.IntStream.range(0, 10).parallel().sum()); } }' > M.java && java M.java`,
    shows: '45',
  },
  {
    name: 'Ruby',
    needs: 'ruby',
    version: 'ruby --version',
    work: `ruby -e 'puts [3, 1, 2].sort.join'`,
    shows: '123',
  },
  {
    name: 'Perl',
    needs: 'perl',
    version: 'perl -e "print $^V"',
    work: `perl -e 'print join "", sort 3, 1, 2'`,
    shows: '123',
  },
  {
    name: 'PHP',
    needs: 'php',
    version: 'php --version',
    work: `php -r 'echo json_encode(["a" => 42]);'`,
    shows: '{"a":42}',
  },
  {
    name: 'SQLite',
    needs: 'sqlite3',
    version: 'sqlite3 --version',
    work: `sqlite3 t.db 'pragma journal_mode=wal; create table t(n); insert into t values (40), (2); select sum(n) from t'`,
    shows: '42',
  },
  {
    name: 'curl, over loopback',
    needs: 'curl',
    version: 'curl --version',
    work: 'echo served > page && (python3 -m http.server 8765 >/dev/null 2>&1 &) ; for i in 1 2 3 4 5 6 7 8 9 10; do curl -sf http://127.0.0.1:8765/page && break; sleep 0.5; done',
    shows: 'served',
  },
  {
    name: 'R',
    needs: 'Rscript',
    version: 'Rscript --version',
    work: `Rscript -e 'd <- data.frame(k = c("a", "b", "a"), n = 1:3); print(sum(d[d$k == "a", "n"]) + coef(lm(n ~ n, d))[[1]] * 0 + 38)'`,
    shows: '42',
  },
  { name: 'jq', needs: 'jq', version: 'jq --version', work: `echo '{"a":[1,2,39]}' | jq '.a | add'`, shows: '42' },
  {
    name: 'tar, gzip, xz',
    needs: 'tar',
    version: 'tar --version',
    work: 'mkdir d && seq 1000 > d/f && tar czf d.tgz d && tar cJf d.txz d && rm -r d && tar xzf d.tgz && tar tJf d.txz && tail -1 d/f',
    shows: '1000',
  },
  {
    name: 'zip',
    needs: 'zip',
    version: 'zip --version | sed -n 2p',
    work: 'echo content > f && zip -q f.zip f && rm f && unzip -q f.zip && cat f',
    shows: 'content',
  },
  {
    name: 'OpenSSL',
    needs: 'openssl',
    version: 'openssl version',
    work: 'openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -subj /CN=sandbox -days 1 2>/dev/null && openssl x509 -in c -noout -subject',
    shows: 'sandbox',
  },
  {
    name: 'ssh client',
    needs: 'ssh',
    version: 'ssh -V 2>&1',
    work: 'ssh-keygen -q -t ed25519 -N "" -f key && ssh-keygen -l -f key.pub; ssh -o BatchMode=yes -o ConnectTimeout=2 127.0.0.1 2>&1 | tail -1',
    shows: 'ED25519',
  },
  {
    name: 'Chromium, headless',
    needs: 'chromium',
    version: 'chromium --version',
    work: `chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --screenshot=s.png --window-size=400,300 'data:text/html,<h1>hi</h1>' 2>err || tail -2 err >&2; head -c 4 s.png`,
    shows: 'PNG',
  },
  {
    name: 'ffmpeg',
    needs: 'ffmpeg',
    version: 'ffmpeg -version',
    work: 'ffmpeg -v error -f lavfi -i testsrc=duration=1:size=160x120:rate=10 -y t.mp4 && ffprobe -v error -show_entries format=duration -of csv=p=0 t.mp4',
    shows: '1.0',
  },
  {
    name: 'watching files (inotify)',
    needs: 'python3',
    version: 'uname -r',
    work: `cat > w.py <<'END'
import ctypes, os, select
libc = ctypes.CDLL(None)
fd = libc.inotify_init()
os.mkdir("watched")
libc.inotify_add_watch(fd, b"watched", 0x100)
open("watched/new", "w").close()
print("seen" if select.select([fd], [], [], 2)[0] else "nothing seen")
END
python3 w.py`,
    shows: 'seen',
  },
  {
    name: 'strace (ptrace)',
    needs: 'strace',
    version: 'strace --version',
    work: 'strace -o trace -e trace=write echo traced && grep -c write trace',
    shows: 'traced',
  },
]
