// What the passes hand on. Each pass reads and fills its part; text dump: dump.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/result.h"
#include "compiler/compile.h"
#include "compiler/graph/graph.h"
#include "compiler/passes/traffic.h"

namespace rdusim::compiler {

class StageMemo;

// Operators that run as one launch. Groups of equal signature share a section.
struct Group {
  std::string name;                // "layer", "layer.wo", "head"
  std::vector<NodeId> nodes;       // in order
  std::vector<ValueId> externals;  // values read or written outside: formal arguments, in order of first use
  size_t section = 0;              // index of the distinct section
  bool first_of_section = false;   // the one that is lowered
  std::string border;              // why it ends where it ends; for reports
  int64_t row_block = 0;           // rows of an activation token, if fuse has sought them; else tile does
};

// Sizes chosen before lowering.
struct Tiling {
  int64_t stream_token_bytes = 0;      // weight token of a stream that is used as it arrives
  int64_t resident_token_bytes = 0;    // weight token on its way into a PMU buffer
  int64_t key_block = 0;               // keys that attention works on at once; 0: by weight_block_bytes
  int64_t weight_block_bytes = 0;      // of the softmax's weights of a block
  int64_t query_block = 0;             // rows of queries that meet a block of keys
  int64_t whole_score_rows = 0;        // positions up to which it works on all of them at once
  std::vector<int64_t> row_blocks;     // per section: rows of an activation token
  MoeLoad moe_load = MoeLoad::kWorst;  // what mixtures of experts get room for
  std::vector<bool> weights_resident;  // per section: weights are loaded once a launch and kept
  // Per section: rows of a token of values that are no prompt's; 0: the value is one token.
  std::vector<int64_t> plain_blocks;
};

// What sections are built for. To be priced: tile keeps its rule and allocate leaves ways over the mesh out;
// roughly, where hundreds are: allocate tries few sizings.
enum class Effort { kProgram, kPrice, kRoughPrice };

struct Compilation {
  const ChipSpec* chip = nullptr;
  CompileOptions options;
  Effort effort = Effort::kProgram;
  Graph graph;
  int64_t flops = 0;  // of the graph before sharding
  std::vector<Group> groups;
  Fusion fusion = Fusion::kLayer;  // what the groups are: kAuto only where some layer was cut
  size_t section_count = 0;
  Tiling tiling;
  Program program;
  std::vector<SectionTraffic> traffic;  // per section of the program
  std::shared_ptr<StageMemo> stages;    // allocate's, kept between trials
};

#define RDU_PASS(function, name, needs, doc) Status function(Compilation& compilation);
#include "compiler/passes/passes.def"
#undef RDU_PASS

// Text of everything filled so far.
std::string dump(const Compilation& compilation);

}  // namespace rdusim::compiler
