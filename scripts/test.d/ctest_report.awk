# ctest's JUnit report -> a line for each test that has no GoogleTest report of its own. Variable: folder (of the reports).
function attribute(line, name,  at, rest) {
  at = index(line, " " name "=\"")
  if (!at) return ""
  rest = substr(line, at + length(name) + 3)
  return substr(rest, 1, index(rest, "\"") - 1)
}
/<testcase / {
  name = attribute($0, "name")
  status = attribute($0, "status")
  report = folder "/plumb_" name "_tests.xml"
  reported = (getline line < report) > 0
  close(report)
  if (!reported) {
    print (status == "run" ? "passed" : status == "fail" ? "failed" : "skipped") "\t" name "\t" \
      (status == "fail" ? "ended without a report" : status == "run" ? "" : "ctest says " status)
  }
}
