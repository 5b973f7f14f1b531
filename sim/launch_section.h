// LaunchSection: the section that a run of a launch goes through. Of a looping launch that prefetches, the
// section with all its iterations in one and the order that they keep (base/program/loop_order.h).
#pragma once

#include <optional>

#include "base/program/loop_order.h"
#include "sim/launch_course.h"
#include "sim/section_context.h"

namespace rdusim::sim {

class LaunchSection {
 public:
  // Keeps references to both.
  LaunchSection(const Program& program, const LaunchRun& run)
      : program_(program), launch_(run.launch), head_start_(run.head_start) {
    if (launch_.prefetch) repeated_ = repeated(section(), launch_.iterations);
  }
  // References this object.
  [[nodiscard]] SectionContext context(const NodeSpec& node) const {
    SectionContext context{program_, repeated_ ? *repeated_ : section(), launch_, node};
    context.head_start = head_start_;
    if (!repeated_) return context;
    context.iterations = launch_.iterations;
    context.loop_order = loop_order(program_, launch_);
    return context;
  }

 private:
  [[nodiscard]] const Section& section() const { return program_.sections[launch_.section.value]; }

  const Program& program_;
  const Launch& launch_;
  const HeadStart& head_start_;
  std::optional<Section> repeated_;
};

}  // namespace rdusim::sim
