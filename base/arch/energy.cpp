#include "base/arch/energy.h"

namespace rdusim {

const Fields<EnergySpec>& energy_fields() {
  // Sanity bounds: a tenth of a femtojoule is below any gate, a microjoule above any operation.
  constexpr RealRange kPicojoules{0, 1e6};
  constexpr RealRange kWatts{0, 1e5};
  static const auto fields =
      Fields<EnergySpec>("energy", "energy of operations and bytes, and static power")
          .text("name", &EnergySpec::name, "as it stands in reports")
          .real("mac_16bit_pj", &EnergySpec::mac_16bit_pj, kPicojoules, "pJ",
                "multiply two 16-bit numbers, add in FP32")
          .real("mac_32bit_pj", &EnergySpec::mac_32bit_pj, kPicojoules, "pJ", "multiply and add in FP32")
          .real("map_pj", &EnergySpec::map_pj, kPicojoules, "pJ",
                "one element of an elementwise FP32 operation")
          .real("reduce_pj", &EnergySpec::reduce_pj, kPicojoules, "pJ", "one element into a reduction")
          .real("tail_pj", &EnergySpec::tail_pj, kPicojoules, "pJ", "one transcendental function or division")
          .real("cross_pj", &EnergySpec::cross_pj, kPicojoules, "pJ",
                "one element through the cross-lane network (sort, select)")
          .real("pmu_read_pj_per_byte", &EnergySpec::pmu_read_pj_per_byte, kPicojoules, "pJ/byte",
                "read from a PMU's banks")
          .real("pmu_write_pj_per_byte", &EnergySpec::pmu_write_pj_per_byte, kPicojoules, "pJ/byte",
                "written to a PMU's banks")
          .real("rdn_hop_pj_per_byte", &EnergySpec::rdn_hop_pj_per_byte, kPicojoules, "pJ/byte",
                "over one switch and the wire to the next")
          .real("hbm_pj_per_byte", &EnergySpec::hbm_pj_per_byte, kPicojoules, "pJ/byte",
                "device and interface")
          .real("ddr_pj_per_byte", &EnergySpec::ddr_pj_per_byte, kPicojoules, "pJ/byte",
                "device and interface")
          .real("link_pj_per_byte", &EnergySpec::link_pj_per_byte, kPicojoules, "pJ/byte",
                "socket to socket, both ends")
          .real("static_w_per_socket", &EnergySpec::static_w_per_socket, kWatts, "W",
                "drawn whether the socket works or not");
  return fields;
}

Result<EnergySpec> load_energy(ConfigContext& context, const std::string& name) {
  RDU_ASSIGN(const std::string path, find_config(context, "energy", name));
  RDU_ASSIGN(DocumentNode root, read_config(context, path));
  RDU_CHECK_OK(apply_overrides(context, root, "energy"));
  return energy_fields().parse(root);
}

}  // namespace rdusim
