#include "sim/dram/address_map.h"

#include <bit>

namespace rdusim::sim {

DramAddressMap::DramAddressMap(const DramOrganisation& organisation, const DramMapping& mapping)
    : xor_row_(mapping.xor_row) {
  const auto bits = dram_field_bits(organisation);
  constexpr DramField kOrder[] = {DramField::kColumn, DramField::kBank,          DramField::kBankGroup,
                                  DramField::kRank,   DramField::kPseudoChannel, DramField::kChannel,
                                  DramField::kRow};
  std::array<int, kDramFields> at{};  // where the next bit of a field goes
  int position = 0;
  for (const DramField field : kOrder) {
    at[static_cast<size_t>(field)] = position;
    position += bits[static_cast<size_t>(field)];
  }
  const auto mask = [](int width) { return (uint64_t{1} << width) - 1; };
  const auto width_of = [&](DramField field) { return bits[static_cast<size_t>(field)]; };
  column_bits_ = width_of(DramField::kColumn);
  column_mask_ = mask(column_bits_);
  channel_shift_ = at[static_cast<size_t>(DramField::kChannel)];
  bank_mask_ = mask(channel_shift_ - column_bits_);
  channel_mask_ = mask(width_of(DramField::kChannel));
  row_shift_ = at[static_cast<size_t>(DramField::kRow)];
  for (const DramField field :
       {DramField::kBank, DramField::kBankGroup, DramField::kPseudoChannel, DramField::kChannel}) {
    const int width = width_of(field);
    if (width == 0) continue;
    int widest = width;
    while (widest * 2 < width_of(DramField::kRow)) widest *= 2;
    folds_.push_back({width, widest, at[static_cast<size_t>(field)]});
  }
  int from = std::countr_zero(static_cast<uint64_t>(organisation.burst_bytes));
  for (const DramSlice& slice : mapping.slices) {
    int& to = at[static_cast<size_t>(slice.field)];
    moves_.push_back({from, mask(slice.width), to});
    from += slice.width;
    to += slice.width;
  }
}

// XOR of all slices of a field's width: halves are laid over each other until one slice is left.
uint64_t DramAddressMap::folded(uint64_t row) const {
  uint64_t bits = 0;
  for (const Fold& fold : folds_) {
    uint64_t value = row;
    for (int shift = fold.widest; shift >= fold.width; shift /= 2) value ^= value >> shift;
    bits |= (value & ((uint64_t{1} << fold.width) - 1)) << fold.to;
  }
  return bits;
}

}  // namespace rdusim::sim
