#include "base/program/critical_path.h"

#include <optional>

namespace rdusim {

const StepRecord& step_record(StepKind kind) {
  static const std::array<StepRecord, kStepKinds> kRecords = {{
#define RDU_STEP(enumerator, name, resource, doc) {name, resource, doc},
#include "base/program/path_step.def"
#undef RDU_STEP
  }};
  return kRecords[static_cast<size_t>(kind)];
}

StepCycles step_cycles(const CriticalPath& path) {
  StepCycles sum;
  for (const SectionPath& section : path.sections) {
    const auto add = [&sum](const std::vector<PathPart>& parts, int64_t times) {
      for (const PathPart& part : parts) {
        sum.cycles[static_cast<size_t>(part.kind)] += times * part.cycles;
        sum.scaling[static_cast<size_t>(part.kind)] += static_cast<double>(times) * part.scaling_cycles;
      }
    };
    add(section.launch_parts, section.launches);
    add(section.parts, section.runs);
  }
  return sum;
}

namespace {

struct Scaling {
  HardwareParameter parameter;
  double power;        // of the parameter, in the step's time
  bool fixed_seconds;  // the clock does not matter
};

// Nothing: whole cycles, which scale with the clock alone.
std::optional<Scaling> scaling_of(StepKind kind) {
  using P = HardwareParameter;
  switch (kind) {
    case StepKind::kLaunch:
      return Scaling{P::kLaunch, 1, true};
    case StepKind::kPcu:
      return Scaling{P::kPcuRate, -1, false};
    case StepKind::kPcuLatency:
      return Scaling{P::kPcuLatency, 1, false};
    case StepKind::kPmu:
      return Scaling{P::kPmuPort, -1, false};
    case StepKind::kOperandPort:
      return Scaling{P::kPmuPort, -1, false};
    case StepKind::kOperandLink:
    case StepKind::kRdnTransfer:
      return Scaling{P::kRdnLink, -1, false};
    case StepKind::kRdnLatency:
      return Scaling{P::kRdnLatency, 1, false};
    case StepKind::kHbmTransfer:
      return Scaling{P::kHbmBandwidth, -1, true};
    case StepKind::kHbmLatency:
      return Scaling{P::kHbmLatency, 1, true};
    case StepKind::kDdrTransfer:
      return Scaling{P::kDdrBandwidth, -1, true};
    case StepKind::kDdrLatency:
      return Scaling{P::kDdrLatency, 1, true};
    case StepKind::kAgcu:
      return Scaling{P::kAgcuPort, -1, false};
    case StepKind::kLinkTransfer:
      return Scaling{P::kLinkBandwidth, -1, true};
    case StepKind::kLinkLatency:
      return Scaling{P::kLinkLatency, 1, true};
    case StepKind::kProgramLoad:
    case StepKind::kTurn:
      break;
  }
  return std::nullopt;
}

}  // namespace

Gradient latency_gradient(const CriticalPath& path) {
  const StepCycles sum = step_cycles(path);
  Gradient gradient{};
  double by_clock = static_cast<double>(path.result.cycles);
  for (size_t k = 0; k < kStepKinds; ++k) {
    const auto scaling = scaling_of(static_cast<StepKind>(k));
    if (!scaling) continue;
    at(gradient, scaling->parameter) += scaling->power * sum.scaling[k] / path.result.clock_hz;
    if (scaling->fixed_seconds) by_clock -= sum.scaling[k];
  }
  at(gradient, HardwareParameter::kClock) = -by_clock / path.result.clock_hz;
  return gradient;
}

}  // namespace rdusim
