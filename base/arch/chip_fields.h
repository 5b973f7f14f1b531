// Field descriptions of the chip, node and GPU-node files: key, unit, limits and meaning of every value, in
// one place.
#pragma once

#include <string>
#include <vector>

#include "base/arch/chip.h"
#include "base/io/fields.h"

namespace rdusim {

// A software stack as its file has it: what a run pays, and what a service compiles for.
struct StackFile : StackSpec {
  int64_t sequence_bucket_tokens = 0;           // base/arch/serving_build.h
  bool sequence_bucket_within_context = false;  // the same
};

// What stands in configs/nodes/*.yaml of kind rdu_node; load_node puts the chip beside it.
struct NodeFile {
  std::string name;
  std::string chip;  // path of the chip file, from the node file's folder
  int64_t sockets = 0;
  LinkSpec link;
  std::string default_stack;
  std::vector<StackFile> stacks;
};

const Fields<ChipSpec>& chip_fields();
const Fields<LinkSpec>& link_fields();
const Fields<StackFile>& stack_fields();
const Fields<NodeFile>& node_fields();
const Fields<GpuNodeSpec>& gpu_node_fields();

// As configuration files that load again.
std::string dump_chip(const ChipSpec& chip);
std::string dump_node(const NodeSpec& node, const std::string& chip_path);
std::string dump_gpu_node(const GpuNodeSpec& node);

// JSON schemas for editors, and the docs tables: by name.
struct ConfigKind {
  std::string name;  // "chip", "node", "gpu_node", "energy"
  const FieldTable* fields = nullptr;
};
std::vector<ConfigKind> config_kinds();

}  // namespace rdusim
