# scores.json of a run -> "arm rate seed set.metric value", one line a set. Variables: arm, rate, seed, part (base, tuned).
/^  "(base|tuned)":/ { on = index($0, "\"" part "\"") > 0 }
function value_of(line) { sub(/^[^:]*: */, "", line); sub(/,$/, "", line); gsub(/"/, "", line); return line }
on && /^      "name":/ { name = value_of($0) }
on && /^      "metric":/ { metric = value_of($0) }
on && /^      "value":/ { print arm, rate, seed, name "." metric, value_of($0) }
