// Address mapping of a DRAM: which address bits choose channel, pseudo channel, rank, bank group, bank, row
// and column. Two notations, both in use by public simulators:
//
//   "co1 bg2 pc1 co4 ra1 ba2 ro14 +xor"   fields with their widths, lowest bit first, above the burst offset;
//                                         +xor: bank group, bank, pseudo channel and channel bits are XORed
//                                         with the folded row
//   "rorabacochbg"                        two letters a field, highest first; widths follow from the device
//
// "LSB-first" and "DRAMsim3" before them and a remark in parentheses behind are read over; `si` (stack id) is
// `ra`, "+XOR(row)" is "+xor".
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/arch/dram.h"
#include "base/result.h"

namespace rdusim {

enum class DramField : uint8_t { kColumn, kBank, kBankGroup, kRank, kPseudoChannel, kChannel, kRow };
inline constexpr size_t kDramFields = 7;

struct DramSlice {
  DramField field = DramField::kColumn;
  int width = 0;
  friend bool operator==(const DramSlice&, const DramSlice&) = default;
};

struct DramMapping {
  std::vector<DramSlice> slices;  // lowest first, above the burst offset; zero widths are left out
  bool xor_row = false;
  friend bool operator==(const DramMapping&, const DramMapping&) = default;
};

// Width in bits of every field of `organisation`.
std::array<int, kDramFields> dram_field_bits(const DramOrganisation& organisation);

// Errors: unknown field, a width that does not fit the device, a field that is missing.
Result<DramMapping> parse_dram_mapping(const std::string& text, const DramOrganisation& organisation);

// In the first notation; parses back to the same mapping.
std::string dump_dram_mapping(const DramMapping& mapping);

}  // namespace rdusim
