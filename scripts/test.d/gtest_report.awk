# GoogleTest's XML report -> "result <tab> test <tab> reason", one line a test.
function attribute(line, name,  at, rest) {
  at = index(line, " " name "=\"")
  if (!at) return ""
  rest = substr(line, at + length(name) + 3)
  return plain(substr(rest, 1, index(rest, "\"") - 1))
}
function plain(s) {
  gsub(/&#x0A;|&#x0a;/, " ", s)
  gsub(/&quot;/, "\"", s)
  gsub(/&apos;/, "'", s)
  gsub(/&lt;/, "<", s)
  gsub(/&gt;/, ">", s)
  gsub(/&amp;/, "\\&", s)
  return s
}
function close_test() {
  if (test != "") print result "\t" test "\t" reason
  test = ""
}
/<testcase / {
  close_test()
  test = attribute($0, "classname") "." attribute($0, "name")
  reason = ""
  result = attribute($0, "result") == "skipped" ? "skipped" : attribute($0, "status") == "notrun" ? "" : "passed"
  if (result == "") test = ""
}
/<failure / { result = "failed"; if (reason == "") reason = substr(attribute($0, "message"), 1, 300) }
# The place in the source comes first, then the text of GTEST_SKIP.
/<skipped / { result = "skipped"; reason = attribute($0, "message"); sub(/^[^ ]*:[0-9]+ */, "", reason) }
END { close_test() }
