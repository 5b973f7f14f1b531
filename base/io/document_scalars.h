// Shared by the readers of base/io: what kind of scalar a plain text is, and how names and values are shown
// in errors. Plain scalars follow YAML 1.2's core schema, so `yes`, `on` and `1_000` are strings.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/io/document.h"

namespace rdusim {

DocumentNode::Kind plain_scalar_kind(std::string_view text);
// In backquotes, control bytes as \xNN, cut after 60 bytes: errors stay on one line whatever the input holds.
std::string backquoted(std::string_view text);
// "the string `abc`", "a map", "nothing": what stands at a node.
std::string describe(const DocumentNode& node);
// "a, b, c", cut after 40 entries.
std::string join_names(const std::vector<std::string>& names);
// "did you mean `x`? " or empty, then "known: a, b, c".
std::string suggestion(std::string_view word, const std::vector<std::string>& known);

}  // namespace rdusim
