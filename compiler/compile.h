// The compiler's one entry: Graph in, Program out, through the list of passes in compiler/passes/passes.def.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "base/result.h"
#include "compiler/explain.h"
#include "compiler/graph/graph.h"

namespace rdusim::compiler {

enum class Fusion : uint8_t {
  kNone,   // one operator a section, intermediates through HBM
  kLayer,  // one repeated block (decoder layer) a section
  kAuto,   // a layer a section, cut where the cost model says that it is done sooner so
};
std::string_view fusion_name(Fusion fusion);

// How the experts of a mixture lie over the sockets.
enum class MoeParallel : uint8_t {
  kTensor,  // a part of every expert's inner width on each socket
  kExpert,  // whole experts on each socket, or in each group of sockets
};
// Which choice of experts a program has room and time for.
enum class MoeLoad : uint8_t {
  kWorst,    // any: as many blocks as the worst one needs
  kUniform,  // the mean over uniform choices, on the socket with most blocks; a program without values
};

// What a section's stages get PCUs and PMUs for.
enum class Sizing : uint8_t {
  kSteady,  // for all of them at work at once: the slowest is as fast as it can be
  kLaunch,  // for the end of a launch, which is followed token by token: where few blocks of rows pass,
            // stages follow one another, and the sum of their times counts
};

struct CompileOptions {
  int64_t sockets = 1;  // one program over all of them; all but mixtures of experts: tensor parallelism
  MoeParallel moe_parallel = MoeParallel::kTensor;
  int64_t expert_groups = 0;  // kExpert: groups of sockets with experts of their own; 0: as many as can be
  MoeLoad moe_load = MoeLoad::kWorst;
  Fusion fusion = Fusion::kAuto;
  Sizing sizing = Sizing::kSteady;
  Orchestration orchestration = Orchestration::kHardware;
  bool loop = false;              // one launch for equal sections in a row (kernel looping)
  bool prefetch = false;          // weights come while a launch is under way; loop: while one drains
  int64_t key_block = 0;          // keys a block of long attention; 0: as the tile pass has it
  double launch_s = 10e-6;        // what kAuto takes a launch to cost; here the chip's own (stack 2024-late)
  uint64_t placement_seed = 0;    // of what place draws; for tests of how little hangs on it
  std::vector<std::string> skip;  // passes to leave out
  Explanation* explanation = nullptr;  // filled if not null
  // Called after each pass with its name, its wall time and a way to print the IR as text; may be empty.
  std::function<void(std::string_view pass, double seconds, const std::function<std::string()>& dump)>
      after_pass;
};

// Names of all passes in order, for --dump-after, --skip and the docs.
std::vector<std::string_view> pass_names();

// Fails with kUnsupported (operator without lowering, heads that do not divide over the sockets), kCapacity
// (a section over the PCU, PMU or SRAM budget; symbols over a tier) naming the culprit, kNotFound and
// kInvalidInput (a pass to skip that does not exist, or that a later one needs).
Result<Program> compile(const Graph& graph, const ChipSpec& chip, const CompileOptions& options);

// Part of a program's name: how experts lie over the sockets and what they have room for, where it is not the
// usual (".ep4.uniform").
std::string mixture_suffix(const Program& program, const CompileOptions& options);

}  // namespace rdusim::compiler
