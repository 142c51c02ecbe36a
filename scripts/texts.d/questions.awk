# FAQ sections whose heading is a question -> {"prompt", "completion"} for training and, for every third question, a
# held-out line that has "choices" and "answer" too: the completion is the first paragraph of the answer, the choices
# are it and those of the three held-out questions that follow, in an order that follows from the question's number.
# Reads the JSON lines of html.awk. LC_ALL=C.
# Variables: train, test (files), longest (longest completion kept, in bytes).

BEGIN { if (!longest) longest = 500 }

{
  text = $0
  sub(/^\{"text": "/, "", text)
  sub(/", "source": "[^"]*"\}$/, "", text)
  at = index(text, "\\n")
  question = substr(text, 1, at - 1)
  rest = substr(text, at + 2)
  at = index(rest, "\\n")
  answer = at ? substr(rest, 1, at - 1) : rest
  if (question !~ /\?$/ || length(answer) < 40 || length(answer) > longest || answer ~ /:$/) next
  if (++read % 3) {
    print "{\"prompt\": \"" question "\", \"completion\": \"" answer "\"}" > train
  } else {
    held++
    questions[held] = question
    answers[held] = answer
  }
}

END {
  for (i = 1; i <= held; i++) {
    choices = ""
    other = i
    for (place = 0; place < 4; place++) {
      if (place == i % 4) choice = answers[i]
      else { other = other % held + 1; choice = answers[other] }
      choices = choices (place ? ", " : "") "\"" choice "\""
    }
    print "{\"prompt\": \"" questions[i] "\", \"completion\": \"" answers[i] "\", \"choices\": [" choices \
      "], \"answer\": " i % 4 "}" > test
  }
}
