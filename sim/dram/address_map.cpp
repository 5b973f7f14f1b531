#include "sim/dram/address_map.h"

#include <bit>

namespace rdusim::sim {

DramAddressMap::DramAddressMap(const DramOrganisation& organisation, const DramMapping& mapping)
    : xor_row_(mapping.xor_row) {
  const auto bits = dram_field_bits(organisation);
  constexpr DramField kOrder[] = {DramField::kColumn, DramField::kBank,    DramField::kBankGroup,
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
    if (width_of(field) > 0) folds_.push_back({width_of(field), at[static_cast<size_t>(field)]});
  }
  int from = std::countr_zero(static_cast<uint64_t>(organisation.burst_bytes));
  for (const DramSlice& slice : mapping.slices) {
    int& to = at[static_cast<size_t>(slice.field)];
    moves_.push_back({from, mask(slice.width), to});
    from += slice.width;
    to += slice.width;
  }
}

uint64_t DramAddressMap::folded(uint64_t row) const {
  uint64_t bits = 0;
  for (const Fold& fold : folds_) {
    const uint64_t mask = (uint64_t{1} << fold.width) - 1;
    uint64_t value = 0;
    for (uint64_t rest = row; rest != 0; rest >>= fold.width) value ^= rest & mask;
    bits |= value << fold.to;
  }
  return bits;
}

}  // namespace rdusim::sim
