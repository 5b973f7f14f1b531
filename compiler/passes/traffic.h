// What a section moves in a launch, channel by channel, and how its tokens spread over the units of their
// consumer. Filled by allocate, when the units of each stage are known; place, route and fuse read it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/arch/chip.h"
#include "base/program/program.h"
#include "compiler/passes/launch_course.h"
#include "compiler/passes/section_work.h"

namespace rdusim::compiler {

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// How a section is drawn on the mesh (placement.h): the strips that its stages follow, and what was drawn.
struct Layout {
  bool upright = false;  // strips of columns; else of rows
  int64_t width = 1;     // of a strip, tiles
  uint64_t seed = 0;     // of the swaps
};

struct ChannelTraffic {
  int64_t tokens = 0;
  int64_t bytes = 0;
  // Over the way from where they lie to their consumer: a compute stage reads its operands anew for each
  // firing (base/program/operand_reads.h).
  int64_t read_bytes = 0;
  // Units of the consumer that need the same part of a token. A product spread over PCUs by rows, columns and
  // the reduction needs each part of its left operand in every PCU of a row of tiles, and each part of its
  // right operand in every PCU of a column of tiles. 1: each unit takes a part of its own (vector stages,
  // buffers, streams).
  int64_t copies = 1;
};

struct SectionTraffic {
  std::vector<ChannelTraffic> channels;
  std::vector<int64_t> unit_cycles;  // work of each compute stage in a launch
  std::vector<int64_t> unit_macs;    // multiply-accumulates of each in a launch
  int64_t work_cycles = 0;           // until the slowest stage has done its passes
  int64_t read_cycles = 0;           // until the slowest has read its operands from their PMUs
  int64_t stage_cycles = 0;          // the longer of the two
  int64_t stream_cycles = 0;         // HBM's, for all loads and stores
  // The fullest link's, or of the stage whose operands' way is slowest; route fills it.
  int64_t mesh_cycles = 0;
  // Firing by firing, of the same PCUs; spreads over PMUs share it.
  std::shared_ptr<const LaunchWork> launch;
  std::optional<Layout> layout;  // the best that allocate saw
  [[nodiscard]] int64_t cycles() const { return std::max({stage_cycles, stream_cycles, int64_t{1}}); }
};

// `work` has been run; `section` has its PCUs. Without work_cycles, read_cycles and stage_cycles.
SectionTraffic section_traffic(const Section& section, const SectionWork& work, const ChipSpec& chip);

// Cycles until the first tokens have gone through the section: along its longest path, what each stage works
// for one result, and the way to the next (the chip file's average). `unit_cycles`: work of each in a launch.
int64_t fill_cycles(const Section& section, const std::vector<int64_t>& unit_cycles, const ChipSpec& chip);
inline int64_t fill_cycles(const Section& section, const SectionTraffic& traffic, const ChipSpec& chip) {
  return fill_cycles(section, traffic.unit_cycles, chip);
}

// How blocks of rows go through a section: so many, through so many compute stages and exchanges on its
// longest path.
struct BlockCourse {
  int64_t blocks = 1;
  int64_t depth = 1;
  // More than one, and so few that filling and draining the section takes two thirds of a run and more.
  [[nodiscard]] bool few() const { return blocks > 1 && 2 * blocks < depth; }
};
BlockCourse block_course(const Section& section);

}  // namespace rdusim::compiler
