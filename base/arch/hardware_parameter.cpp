#include "base/arch/hardware_parameter.h"

namespace rdusim {

const HardwareParameterRecord& hardware_parameter_record(HardwareParameter parameter) {
  static const std::array<HardwareParameterRecord, kHardwareParameters> kRecords = {{
#define RDU_PARAMETER(enumerator, name, unit, doc) {name, unit, doc},
#include "base/arch/hardware_parameter.def"
#undef RDU_PARAMETER
  }};
  return kRecords[static_cast<size_t>(parameter)];
}

double hardware_parameter_value(HardwareParameter parameter, const NodeSpec& node, const StackSpec& stack,
                                bool software_launches) {
  const ChipSpec& chip = node.chip;
  switch (parameter) {
    case HardwareParameter::kClock:
      return chip.clock_hz;
    case HardwareParameter::kPcuRate:
    case HardwareParameter::kPcuLatency:
      return 1;
    case HardwareParameter::kPmuPort:
      return static_cast<double>(chip.pmu.port_bytes_per_cycle);
    case HardwareParameter::kRdnLink:
      return static_cast<double>(chip.rdn.link_bytes_per_cycle);
    case HardwareParameter::kRdnLatency:
      return static_cast<double>(chip.rdn.hop_latency_cycles);
    case HardwareParameter::kHbmBandwidth:
      return chip.hbm.bandwidth_bytes_per_s;
    case HardwareParameter::kHbmLatency:
      return chip.hbm.latency_ns;
    case HardwareParameter::kDdrBandwidth:
      return chip.ddr.bandwidth_bytes_per_s;
    case HardwareParameter::kDdrLatency:
      return chip.ddr.latency_ns;
    case HardwareParameter::kAgcuPort:
      return static_cast<double>(chip.agcu_port_bytes_per_cycle);
    case HardwareParameter::kLinkBandwidth:
      return node.link.bandwidth_bytes_per_s;
    case HardwareParameter::kLinkLatency:
      return node.link.latency_ns;
    case HardwareParameter::kLaunch:
      return software_launches ? stack.software_launch_s : stack.hardware_launch_s;
    case HardwareParameter::kDmaBandwidth:
      return chip.dma_bandwidth_bytes_per_s;
    case HardwareParameter::kDmaSetup:
      return chip.dma_setup_s;
    case HardwareParameter::kStepTime:
      return stack.step_s;
    case HardwareParameter::kRequestTime:
      return stack.request_s;
  }
  return 0;
}

}  // namespace rdusim
