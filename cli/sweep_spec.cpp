#include "cli/sweep_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "base/io/fields.h"

namespace rdusim::cli {
namespace {

constexpr int64_t kMostPoints = 1'000'000;

// The file's blocks as they are read; SweepSpec is made from them.
struct AxisBlock {
  std::string column;
  std::string set;
  std::string option;
  DocumentNode values;
};
struct ColumnBlock {
  std::string column;
  std::string path;
};
struct SweepFile {
  std::string name;
  std::string command;
  std::vector<AxisBlock> grid;
  std::vector<ColumnBlock> columns;
};

const Fields<SweepFile>& sweep_fields() {
  static const auto axis =
      Fields<AxisBlock>("axis", "one setting that varies")
          .text("column", &AxisBlock::column, "its name in the CSV file")
          .text("set", &AxisBlock::set, "path of an override, such as chip.hbm.bandwidth_bytes_per_s")
          .optional()
          .text("option", &AxisBlock::option, "option of the command, such as --batch")
          .optional()
          .document("values", &AxisBlock::values, "list of numbers or words")
          .check([](const AxisBlock& block) -> std::string {
            if (block.set.empty() == block.option.empty()) return "an axis has either set or option";
            if (!block.option.empty() && !block.option.starts_with("--")) return "an option starts with --";
            return "";
          });
  static const auto column =
      Fields<ColumnBlock>("column", "one number of the result")
          .text("column", &ColumnBlock::column, "its name in the CSV file")
          .text("path", &ColumnBlock::path, "its keys in the JSON result, joined by dots");
  static const auto fields =
      Fields<SweepFile>("sweep", "a grid of settings over one command")
          .text("name", &SweepFile::name, "of the sweep, and of its CSV file")
          .text("command", &SweepFile::command, "simulate or serve with its options, without rdusim")
          .list("grid", &SweepFile::grid, axis)
          .list("columns", &SweepFile::columns, column)
          .check([](const SweepFile& file) -> std::string {
            if (file.grid.empty()) return "the grid has no axis";
            if (file.columns.empty()) return "there are no columns";
            return "";
          });
  return fields;
}

// Values as written, so that the CSV file shows what the spec says.
Result<std::vector<std::string>> axis_values(const AxisBlock& block) {
  const DocumentNode& list = block.values;
  if (list.kind != DocumentNode::Kind::kList || list.items.empty()) {
    return Error{ErrorCode::kInvalidInput, list.where,
                 fmt::format("values of {} must be a list with at least one element", block.column), ""};
  }
  std::vector<std::string> values;
  for (const auto& value : list.items) {
    if (value.kind == DocumentNode::Kind::kList || value.kind == DocumentNode::Kind::kMap) {
      return Error{ErrorCode::kInvalidInput, value.where, "a value of an axis is a number or a word", ""};
    }
    if (std::find(values.begin(), values.end(), value.text) != values.end()) {
      return Error{ErrorCode::kInvalidInput, value.where,
                   fmt::format("the value {} occurs twice in axis {}", value.text, block.column),
                   "each point of the grid is run once"};
    }
    values.push_back(value.text);
  }
  return values;
}

Status check_command(const SweepSpec& spec, const DocumentNode& document) {
  if (!spec.command.empty() && (spec.command[0] == "simulate" || spec.command[0] == "serve")) return {};
  return Error{ErrorCode::kInvalidInput, document.find("command")->where, "a sweep runs simulate or serve",
               "for example command: simulate llama-2-7b --phase decode"};
}

Status check_columns(const SweepSpec& spec, const DocumentNode& document) {
  std::set<std::string> seen{"error"};
  const auto add = [&](const std::string& name) -> Status {
    if (seen.insert(name).second) return {};
    return Error{ErrorCode::kInvalidInput, document.where, fmt::format("column {} occurs twice", name),
                 "error is the name of the last column of every sweep"};
  };
  for (const auto& axis : spec.axes) RDU_CHECK_OK(add(axis.column));
  for (const auto& column : spec.columns) RDU_CHECK_OK(add(column.column));
  return {};
}

}  // namespace

std::vector<std::string> split_words(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

int64_t SweepSpec::points() const {
  int64_t n = 1;
  for (const auto& axis : axes) n *= static_cast<int64_t>(axis.values.size());
  return n;
}

std::vector<std::string> SweepSpec::values_at(int64_t point) const {
  std::vector<std::string> values(axes.size());
  for (size_t a = axes.size(); a-- > 0;) {
    const auto size = static_cast<int64_t>(axes[a].values.size());
    values[a] = axes[a].values[static_cast<size_t>(point % size)];
    point /= size;
  }
  return values;
}

std::vector<std::string> SweepSpec::arguments_at(int64_t point) const {
  std::vector<std::string> arguments = command;
  const auto values = values_at(point);
  for (size_t a = 0; a < axes.size(); ++a) {
    if (axes[a].set.empty()) {
      arguments.insert(arguments.end(), {axes[a].option, values[a]});
    } else {
      arguments.insert(arguments.end(), {"--set", axes[a].set + "=" + values[a]});
    }
  }
  return arguments;
}

Result<SweepSpec> parse_sweep_spec(const DocumentNode& document) {
  RDU_ASSIGN(SweepFile file, sweep_fields().parse(document));
  SweepSpec spec;
  spec.name = file.name;
  spec.command = split_words(file.command, ' ');
  RDU_CHECK_OK(check_command(spec, document));
  int64_t points = 1;
  for (const auto& block : file.grid) {
    RDU_ASSIGN(auto values, axis_values(block));
    points *= static_cast<int64_t>(values.size());
    if (points > kMostPoints) {
      return Error{ErrorCode::kOutOfRange, document.find("grid")->where,
                   fmt::format("the grid has more than {} points", kMostPoints),
                   "cut it into several sweeps"};
    }
    spec.axes.push_back({block.column, block.set, block.option, std::move(values)});
  }
  for (const auto& block : file.columns) spec.columns.push_back({block.column, split_words(block.path, '.')});
  RDU_CHECK_OK(check_columns(spec, document));
  return spec;
}

std::string sweep_json_schema() {
  return sweep_fields().json_schema();
}

}  // namespace rdusim::cli
