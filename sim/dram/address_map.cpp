#include "sim/dram/address_map.h"

#include <bit>

#include "base/check.h"

namespace rdusim::sim {

DramAddressMap::DramAddressMap(const DramOrganisation& organisation, const DramMapping& mapping)
    : burst_bits_(std::countr_zero(static_cast<uint64_t>(organisation.burst_bytes))) {
  const auto bits = dram_field_bits(organisation);
  const auto width_of = [&](DramField field) { return bits[static_cast<size_t>(field)]; };
  std::array<int, kDramFields> at{};  // where the next bit of a field goes
  const auto put = [&](DramField field, int position) {
    at[static_cast<size_t>(field)] = position;
    return position + width_of(field);
  };
  put(DramField::kColumn, 0);
  int position = put(DramField::kBank, kBankShift);
  position = put(DramField::kBankGroup, position);
  position = put(DramField::kRank, position);
  position = put(DramField::kPseudoChannel, position);
  put(DramField::kChannel, kChannelShift);
  put(DramField::kRow, kRowShift);
  RDU_CHECK(width_of(DramField::kColumn) <= kBankShift && position <= kChannelShift &&
                width_of(DramField::kChannel) <= kRowShift - kChannelShift &&
                width_of(DramField::kRow) <= 64 - kRowShift,
            "a device of {} column bits, {} bank bits, {} channel bits and {} row bits",
            width_of(DramField::kColumn), position - kBankShift, width_of(DramField::kChannel),
            width_of(DramField::kRow));
  std::vector<Fold> folds;  // fields that are XORed with the row folded to their width
  for (const DramField field :
       {DramField::kBank, DramField::kBankGroup, DramField::kPseudoChannel, DramField::kChannel}) {
    const int width = width_of(field);
    if (width == 0 || !mapping.xor_row) continue;
    int widest = width;
    while (widest * 2 < width_of(DramField::kRow)) widest *= 2;
    folds.push_back({width, widest, at[static_cast<size_t>(field)]});
  }
  std::vector<uint64_t> words;  // of each bit of the burst's number
  for (const DramSlice& slice : mapping.slices) {
    int& to = at[static_cast<size_t>(slice.field)];
    for (int bit = 0; bit < slice.width; ++bit) {
      const uint64_t word = uint64_t{1} << to++;
      words.push_back(word ^ folded(folds, word >> kRowShift));
    }
  }
  uint64_t turned = 0;
  for (size_t b = 0; b < steps_.size(); ++b) {
    turned ^= b < words.size() ? words[b] : 0;
    steps_[b] = turned;
  }
  tables_.resize((words.size() + kTableBits - 1) / kTableBits);
  for (size_t b = 0; b < words.size(); ++b) {
    Table& table = tables_[b / kTableBits];
    const size_t bit = size_t{1} << (b % kTableBits);
    for (size_t i = bit; i < kTableSize; ++i) table[i] ^= (i & bit) != 0 ? words[b] : 0;
  }
}

// XOR of all slices of a field's width: halves are laid over each other until one slice is left.
uint64_t DramAddressMap::folded(const std::vector<Fold>& folds, uint64_t row) {
  uint64_t bits = 0;
  for (const Fold& fold : folds) {
    uint64_t value = row;
    for (int shift = fold.widest; shift >= fold.width; shift /= 2) value ^= value >> shift;
    bits |= (value & ((uint64_t{1} << fold.width) - 1)) << fold.to;
  }
  return bits;
}

}  // namespace rdusim::sim
