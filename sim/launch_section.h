// LaunchSection: the section that one launch runs. Of a looping launch that prefetches, the section with all
// its iterations in one and the order that they keep (base/program/loop_order.h).
#pragma once

#include <optional>

#include "base/program/loop_order.h"
#include "sim/section_context.h"

namespace rdusim::sim {

class LaunchSection {
 public:
  // Keeps references to both.
  LaunchSection(const Program& program, const Launch& launch) : program_(program), launch_(launch) {
    if (launch.prefetch) repeated_ = repeated(section(), launch.iterations);
  }
  // References this object.
  [[nodiscard]] SectionContext context(const NodeSpec& node) const {
    SectionContext context{program_, repeated_ ? *repeated_ : section(), launch_, node};
    if (!repeated_) return context;
    context.iterations = launch_.iterations;
    context.loop_order = loop_order(program_, launch_);
    return context;
  }

 private:
  [[nodiscard]] const Section& section() const { return program_.sections[launch_.section.value]; }

  const Program& program_;
  const Launch& launch_;
  std::optional<Section> repeated_;
};

}  // namespace rdusim::sim
