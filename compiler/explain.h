// What `rdusim compile --explain` says: which resource bounds each section, what its borders cost, which
// symbols were spilled and why, and what would fit if one budget were larger. Numbers are the compiler's own
// estimates, before any simulation; cycles are of the chip's clock, of one run of a section.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rdusim::compiler {

struct Compilation;

struct SectionExplanation {
  std::string name;
  int64_t launches = 0;
  int64_t runs = 0;
  int64_t pcus = 0;
  int64_t pmus = 0;
  int64_t stage_cycles = 0;  // the passes of the slowest stage
  int64_t read_cycles = 0;   // the slowest reading of operands from PMUs, held tokens for each firing again
  int64_t hbm_cycles = 0;    // all that its streams move, at the rate HBM achieves
  int64_t mesh_cycles = 0;   // the fullest link of the mesh
  std::string bound_by;      // "compute", "pmu reads", "hbm", "mesh"
  int64_t gemm_pcus = 0;
  double gemm_of_peak = 0;   // what its GEMM stages' PCUs reach of their peak while that bound holds
  double hbm_of_stream = 0;  // what its streams take of what HBM achieves while that bound holds
  int64_t border_bytes = 0;  // activations that it writes for, or reads from, other sections
  int64_t border_cycles = 0;
  int64_t launch_cycles = 0;
  std::string border_reason;  // why it ends where it ends
};

struct SpillExplanation {
  std::string symbol;
  int64_t bytes = 0;
  int64_t uses = 0;    // runs that read or write it
  double seconds = 0;  // lost in a run of the program: through DDR instead of HBM
};

// Weights or caches of one name (of all layers) that are cut alike over the sockets.
struct HoldingExplanation {
  std::string name;
  std::string cut;  // "whole", "rows / 8", "2 of 16 experts, rows / 2"
  int64_t tensors = 0;
  int64_t socket_bytes = 0;  // all tensors, on socket 0
  int64_t whole_bytes = 0;   // uncut
};

// What a mixture of experts has room for on a socket.
struct MixtureExplanation {
  std::string stage;
  int64_t groups = 0;  // of rows that are dispatched together, one after the other
  int64_t blocks = 0;  // a group, each of one expert, whose weights it streams
  int64_t block_rows = 0;
};

// A stream of a looping launch that prefetches.
struct PrefetchExplanation {
  std::string section;
  std::string symbol;       // of all iterations
  int64_t bytes = 0;        // an iteration's, on a socket
  int64_t ahead_bytes = 0;  // of the next iteration, that the chip has room for while one drains
  std::string waits_for;
};

// A stream of a section whose launches prefetch, before the first of them is complete.
struct AheadExplanation {
  std::string section;
  std::string symbol;      // of all launches
  int64_t bytes = 0;       // a run's, on a socket
  int64_t room_bytes = 0;  // of them, that the chip has room for before any stage works
  std::string waits_for;
};

struct Explanation {
  std::vector<HoldingExplanation> holdings;
  std::vector<MixtureExplanation> mixtures;
  std::vector<SectionExplanation> sections;
  std::vector<SpillExplanation> spills;
  std::vector<PrefetchExplanation> prefetch;
  std::vector<AheadExplanation> ahead;
  std::vector<std::string> what_if;  // "with 1.2 GiB more HBM nothing would be spilled"
};

Explanation explain(const Compilation& compilation);
std::vector<PrefetchExplanation> explain_prefetch(const Compilation& compilation);
std::vector<AheadExplanation> explain_ahead(const Compilation& compilation);

}  // namespace rdusim::compiler
