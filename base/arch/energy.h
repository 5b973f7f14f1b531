// Energy of operations and of bytes on each wire, and what a socket draws whether it works or not. Every
// value comes from configs/energy/ with its source beside it.
#pragma once

#include <string>

#include "base/arch/load.h"
#include "base/io/fields.h"

namespace rdusim {

struct EnergySpec {
  std::string name;
  // picojoules of one operation on one element (WorkKind)
  double mac_16bit_pj = 0;
  double mac_32bit_pj = 0;
  double map_pj = 0;
  double reduce_pj = 0;
  double tail_pj = 0;
  double cross_pj = 0;
  // picojoules of one byte
  double pmu_read_pj_per_byte = 0;
  double pmu_write_pj_per_byte = 0;
  double rdn_hop_pj_per_byte = 0;  // over one switch and its link
  double hbm_pj_per_byte = 0;
  double ddr_pj_per_byte = 0;
  double link_pj_per_byte = 0;
  // watts of one socket, always
  double static_w_per_socket = 0;
};

const Fields<EnergySpec>& energy_fields();
// `name` is a path to a YAML file, or the name of one in configs/energy/. Overrides answer to energy.*.
Result<EnergySpec> load_energy(ConfigContext& context, const std::string& name);

}  // namespace rdusim
