// Names of models on the hub ("meta-llama/Llama-3.1-8B-Instruct") and the configuration that has their shape.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/session.h"

namespace rdusim::cli {

struct HubModel {
  std::string config;   // a folder of configs/models/
  std::string differs;  // what the hub's model has otherwise; empty: nothing that counts here
};

class HubNames {
 public:
  // configs/models/aliases.csv and the names of the folders beside it.
  static Result<HubNames> load(Session& session);
  // Case does not count, nor does the owner before the slash where the rest is known. An unknown name is an
  // error that suggests the nearest.
  [[nodiscard]] Result<HubModel> find(const std::string& name) const;

 private:
  std::map<std::string, HubModel> models_;  // by lower-case name, with and without owner
};

}  // namespace rdusim::cli
