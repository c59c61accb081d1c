# A context of R: takes pieces of code from the service, one after the other, and keeps what they define in the global
# environment. Its connection is a socket, which R can neither open nor read: two programs pass on what goes each way.
local({
  EXECUTE <- 0x69L; RESULT <- 0x6dL; DISPLAY <- 0x6eL
  piece <- 256 * 1024; max_text <- 128 * 1024; max_display <- 8 * 1024 * 1024; max_cells <- 500000; max_rows <- 60
  asked <- pipe("trap '' INT; exec cat <&3", "rb")
  told <- pipe("trap '' INT; exec cat >&3", "wb")
  figures <- tempfile("figures")
  dir.create(figures)
  Sys.unsetenv("WARREN_LANGUAGE")
  picture <- function(...) {
    grDevices::png(file.path(figures, sprintf("%d-%%05d.png", page)), width = 960, height = 720, res = 144, type = "cairo")
  }
  page <- 0L
  # What is drawn without a word about where goes to a picture; warnings come at once, for a piece of code has no end for R.
  options(device = picture, warn = 1, browser = function(url, ...) invisible(url), pager = function(...) invisible(), menu.graphics = FALSE)

  number <- function(bytes) sum(as.numeric(bytes) * 256^((length(bytes) - 1):0))
  taken <- function(count) {
    got <- raw(0)
    while (length(got) < count) {
      more <- readBin(asked, "raw", count - length(got))
      if (length(more) == 0) quit("no", 0, FALSE)
      got <- c(got, more)
    }
    got
  }
  big <- function(value) writeBin(as.integer(value), raw(), endian = "big")
  send <- function(kind, payload) {
    writeBin(c(big(length(payload) + 1), as.raw(kind), payload), told)
    flush(told)
  }
  field <- function(tag, text) {
    bytes <- charToRaw(enc2utf8(text))
    c(as.raw(tag), big(length(bytes)), bytes)
  }
  text_of <- function(bytes) {
    text <- rawToChar(bytes[bytes != as.raw(0)])
    Encoding(text) <- "UTF-8"
    text
  }
  cut_text <- function(text) if (nchar(text, "bytes") <= max_text) text else paste0(substr(text, 1, max_text / 4), "\u2026")

  quoted <- function(text) {
    text <- iconv(enc2utf8(as.character(text)), "UTF-8", "UTF-8", sub = "?")
    missing <- is.na(text)
    text <- gsub("\\", "\\\\", text, fixed = TRUE)
    text <- gsub("\"", "\\\"", text, fixed = TRUE)
    for (code in c(1:31, 127)) {
      letter <- intToUtf8(code)
      found <- grepl(letter, text, fixed = TRUE)
      if (any(found, na.rm = TRUE)) text <- gsub(letter, sprintf("\\u%04x", code), text, fixed = TRUE, useBytes = FALSE)
    }
    ifelse(missing, "null", paste0("\"", text, "\""))
  }
  list_of <- function(column) {
    values <- if (is.logical(column)) ifelse(is.na(column), "null", ifelse(column, "true", "false"))
    else if (is.numeric(column) && !is.factor(column) && !inherits(column, c("Date", "POSIXt", "difftime")))
      ifelse(is.finite(column), format(as.numeric(column), digits = 15, trim = TRUE, scientific = NA, nsmall = 0, drop0trailing = TRUE), "null")
    else if (is.list(column)) quoted(vapply(column, function(one) paste(format(one), collapse = " "), ""))
    else quoted(format_missing(column))
    paste0("[", paste(values, collapse = ","), "]")
  }
  format_missing <- function(column) ifelse(is.na(column), NA_character_, as.character(column))
  escaped <- function(text) {
    text <- gsub("&", "&amp;", text, fixed = TRUE)
    gsub(">", "&gt;", gsub("<", "&lt;", text, fixed = TRUE), fixed = TRUE)
  }
  html_of <- function(frame) {
    shown <- frame[seq_len(min(nrow(frame), max_rows)), , drop = FALSE]
    cells <- lapply(shown, function(column) escaped(trimws(format(column))))
    rows <- if (nrow(shown) == 0) character() else do.call(paste, c(list(paste0("<th>", escaped(row.names(shown)), "</th>")), lapply(cells, function(cell) paste0("<td>", cell, "</td>")), sep = ""))
    rows <- if (length(rows)) paste0("<tr>", rows, "</tr>", collapse = "\n") else ""
    rest <- if (nrow(frame) > max_rows) sprintf("<p>%d rows, %d columns</p>", nrow(frame), ncol(frame)) else ""
    head <- paste0("<th>", escaped(names(frame)), "</th>", collapse = "")
    sprintf("<table border=\"1\" class=\"dataframe\">\n<thead><tr><th></th>%s</tr></thead>\n<tbody>\n%s\n</tbody>\n</table>%s", head, rows, rest)
  }
  letters64 <- charToRaw("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  base64 <- function(bytes) {
    lacking <- (3 - length(bytes) %% 3) %% 3
    three <- matrix(as.integer(c(bytes, raw(lacking))), nrow = 3)
    four <- rbind(three[1, ] %/% 4L, (three[1, ] %% 4L) * 16L + three[2, ] %/% 16L, (three[2, ] %% 16L) * 4L + three[3, ] %/% 64L, three[3, ] %% 64L)
    text <- letters64[four + 1L]
    if (lacking) text[length(text) - seq_len(lacking) + 1] <- charToRaw("=")
    rawToChar(text)
  }

  # `forms` are texts of JSON, named by their types.
  show <- function(forms, main) {
    while (sum(nchar(forms, "bytes")) > max_display) forms <- forms[-which.max(nchar(forms, "bytes"))]
    if (length(forms) == 0) return()
    flush(stdout())
    body <- paste0(quoted(names(forms)), ":", forms, collapse = ",")
    bytes <- charToRaw(sprintf("{\"main\":%s,\"data\":{%s}}", if (main) "true" else "false", body))
    for (at in seq(1, length(bytes), by = piece)) {
      last <- min(at + piece - 1, length(bytes))
      send(DISPLAY, c(as.raw(last < length(bytes)), bytes[at:last]))
    }
  }
  # Closes what is being drawn on and shows its pages.
  show_figures <- function() {
    while (grDevices::dev.cur() > 1) grDevices::dev.off()
    for (path in list.files(figures, full.names = TRUE)) {
      bytes <- readBin(path, "raw", file.size(path))
      unlink(path)
      if (length(bytes)) show(c("text/plain" = quoted("<figure>"), "image/png" = quoted(base64(bytes))), FALSE)
    }
    page <<- page + 1L
  }
  show_value <- function(value, main) {
    # What is printed and what is drawn at the same time, as ggplot2 does, are two things.
    text <- paste(utils::capture.output(print(value)), collapse = "\n")
    if (!nzchar(text)) return()
    forms <- c("text/plain" = quoted(cut_text(text)))
    if (is.data.frame(value)) {
      plain <- as.data.frame(value)
      forms <- c(forms, tryCatch(c("text/html" = quoted(html_of(plain))), error = function(e) NULL))
      if (prod(dim(plain)) <= max_cells && ncol(plain) > 0)
        forms <- c(forms, tryCatch(c("application/vnd.warren.data+json" =
          paste0("{", paste0(quoted(names(plain)), ":", vapply(plain, list_of, ""), collapse = ","), "}")), error = function(e) NULL))
    }
    show(forms, main)
  }

  # The calls of the user's code that led to an error, the innermost last; ours, before and after them, are left out.
  begun <- quote(eval(parsed[[at]], globalenv()))
  traced <- function(calls) {
    starts <- which(vapply(calls, identical, NA, begun))
    if (length(starts) == 0) return(character())
    calls <- calls[seq_along(calls) > max(starts)]
    ends <- which(vapply(calls, function(call) is.function(call[[1]]) || identical(call[[1]], quote(.handleSimpleError)), NA))
    if (length(ends)) calls <- calls[seq_len(ends[1] - 1)]
    vapply(calls, function(call) paste(utils::head(deparse(call), 3), collapse = " "), "")
  }

  run <- function(code) {
    trace <- character()
    tryCatch({
      parsed <- parse(text = code, keep.source = FALSE, encoding = "UTF-8")
      withCallingHandlers(
        for (at in seq_along(parsed)) {
          found <- allowInterrupts(withVisible(eval(parsed[[at]], globalenv())))
          if (found$visible) {
            allowInterrupts(show_value(found$value, at == length(parsed)))
            assign(".Last.value", found$value, globalenv())
          }
        },
        error = function(e) trace <<- traced(sys.calls())
      )
      c(field(1, "completed"))
    }, interrupt = function(e) {
      c(field(1, "raised"), field(3, "KeyboardInterrupt"), field(4, ""), field(5, "interrupted\n"))
    }, error = function(e) {
      message <- conditionMessage(e)
      call <- conditionCall(e)
      where <- if (is.null(call) || identical(call[[1]], quote(parse)) || identical(call[[1]], quote(eval))) "Error: " else sprintf("Error in %s : ", paste(utils::head(deparse(call), 1), collapse = ""))
      lines <- if (length(trace)) paste0(seq_along(trace), ": ", trace, collapse = "\n") else ""
      whole <- paste0(where, message, "\n", if (nzchar(lines)) paste0("Traceback:\n", lines, "\n"))
      c(field(1, "raised"), field(3, class(e)[1]), field(4, cut_text(message)), field(5, cut_text(whole)))
    })
  }

  suspendInterrupts(repeat {
    head <- taken(5)
    payload <- taken(number(head[1:4]) - 1)
    if (as.integer(head[5]) != EXECUTE) next
    code <- ""
    entries <- character()
    at <- 1
    while (at + 5 <= length(payload) + 1) {
      size <- number(payload[at + 1:4])
      value <- if (size) text_of(payload[at + 4 + seq_len(size)]) else ""
      if (payload[at] == as.raw(2)) code <- value
      if (payload[at] == as.raw(4)) entries <- c(entries, value)
      at <- at + 5 + size
    }
    names <- sub("=.*", "", entries)
    before <- Sys.getenv(names, unset = NA, names = FALSE)
    for (entry in entries) do.call(Sys.setenv, stats::setNames(list(sub("^[^=]*=", "", entry)), sub("=.*", "", entry)))
    result <- run(code)
    tryCatch(show_figures(), error = function(e) NULL)
    for (at in seq_along(names)) {
      if (is.na(before[at])) Sys.unsetenv(names[at]) else do.call(Sys.setenv, stats::setNames(list(before[at]), names[at]))
    }
    flush(stdout())
    send(RESULT, result)
  })
})
