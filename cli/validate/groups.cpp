#include "cli/validate/groups.h"

#include <cctype>

namespace rdusim::cli {

const std::vector<ValidationGroup>& validation_groups() {
  static const std::vector<ValidationGroup> groups{
#define RDU_VALIDATION_GROUP(name, id, speed, title) {id, title, ValidationGroup::Speed::speed, &name##_rows},
#include "cli/validate/groups.def"
#undef RDU_VALIDATION_GROUP
  };
  return groups;
}

Result<ValidationRows> run_groups(ValidationContext& context, const std::vector<std::string>& ids,
                                  bool full) {
  ValidationRows all;
  for (const ValidationGroup& group : validation_groups()) {
    const bool named = std::find(ids.begin(), ids.end(), group.id) != ids.end();
    const bool by_default = ids.empty() && (full || group.speed == ValidationGroup::Speed::quick);
    if (!named && !by_default) continue;
    RDU_ASSIGN(auto rows, group.rows(context));
    for (ValidationRow& row : rows) {
      row.group = group.id;
      row.id = row.group + "/" + row.id;
      all.push_back(std::move(row));
    }
  }
  return all;
}

std::string row_id(const std::string& text) {
  std::string id;
  for (const char letter : text) {
    const auto code = static_cast<unsigned char>(letter);
    if (std::isalnum(code) != 0 || letter == '.') {
      id += static_cast<char>(std::tolower(code));
    } else if (!id.empty() && id.back() != '-') {
      id += '-';
    }
  }
  while (!id.empty() && id.back() == '-') id.pop_back();
  return id;
}

}  // namespace rdusim::cli
