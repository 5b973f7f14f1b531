// The functional node of simulated chips.
#include "cli/functional_chip.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace rdusim::cli {
namespace {

constexpr uint8_t kNoNumber = 0xFF;  // as BF16 or FP32: a NaN

int64_t pages_of(const ExpertPrograms& programs) {
  return (programs.image_bytes() + FunctionalChip::kPageBytes - 1) / FunctionalChip::kPageBytes;
}

void begin_again(ExpertSequence& job) {
  job.read = 0;
  job.ids.clear();
  job.logits.clear();
  job.caches.clear();
}

}  // namespace

int64_t FunctionalChip::expert_bytes(const ExpertPrograms& programs) {
  return pages_of(programs) * kPageBytes * programs.sockets();
}

Result<std::unique_ptr<FunctionalChip>> FunctionalChip::make(std::vector<GroupMemory> groups,
                                                             std::span<const SafetensorsFile> checkpoints,
                                                             int64_t kept_pages) {
  std::unique_ptr<FunctionalChip> chip(new FunctionalChip());
  for (const GroupMemory& memory : groups) {
    RDU_ASSIGN(Group group, make_group(memory, checkpoints, kept_pages));
    chip->groups_.push_back(std::move(group));
  }
  return chip;
}

Result<FunctionalChip::Group> FunctionalChip::make_group(const GroupMemory& memory,
                                                         std::span<const SafetensorsFile> checkpoints,
                                                         int64_t kept_pages) {
  Group group;
  group.programs = memory.programs;
  const int64_t sockets = memory.programs->sockets();
  const std::array<int64_t, 2> bytes{memory.hbm_bytes, memory.sram_bytes};
  for (size_t t = 0; t < group.tiers.size(); ++t) {
    const int64_t pages = bytes[t] / sockets / kPageBytes;
    group.tiers[t].bytes.assign(static_cast<size_t>(sockets),
                                std::vector<uint8_t>(static_cast<size_t>(pages * kPageBytes), kNoNumber));
    for (int64_t p = pages; p-- > 0;) group.tiers[t].free.push_back(p);
  }
  group.experts.resize(checkpoints.size());
  group.kept.resize(checkpoints.size());
  for (size_t e = 0; e < checkpoints.size(); ++e) {
    RDU_ASSIGN(ExpertImage image, memory.programs->image(checkpoints[e]));
    group.store.push_back(std::move(image));
    RDU_CHECK_OK(take(group.tiers[0], kept_pages, group.kept[e]));
    fill(group, ExpertId(e), group.tiers[0], group.kept[e], 0);
  }
  return group;
}

void FunctionalChip::add_job(std::vector<int64_t> prompt, int64_t outputs) {
  ExpertSequence job;
  job.capacity = static_cast<int64_t>(prompt.size()) + outputs;
  job.prompt = std::move(prompt);
  jobs_.push_back(std::move(job));
}

void FunctionalChip::damage(ExpertId expert) {
  for (Group& group : groups_) {
    for (auto& socket : group.store[expert.value]) {
      for (size_t at = 1; at < socket.size(); at += 64) socket[at] ^= 0x80;  // BF16: high byte
    }
  }
}

void FunctionalChip::fail(Status status) {
  if (failed_.ok()) failed_ = std::move(status);
}

Status FunctionalChip::take(Pages& from, int64_t count, std::vector<int64_t>& pages) {
  if (count > static_cast<int64_t>(from.free.size())) {
    return Error{ErrorCode::kCapacity, "pages", fmt::format("{} wanted, {} free", count, from.free.size()),
                 "the serve counts more room than there is"};
  }
  for (int64_t i = 0; i < count; ++i) {
    pages.push_back(from.free.back());
    from.free.pop_back();
  }
  for (auto& socket : from.bytes) {
    for (const int64_t page : pages) std::fill_n(socket.begin() + page * kPageBytes, kPageBytes, kNoNumber);
  }
  return {};
}

// Image pages from `first` on, from the store into `pages`.
void FunctionalChip::fill(Group& group, ExpertId expert, Pages& tier, const std::vector<int64_t>& pages,
                          int64_t first) {
  for (size_t socket = 0; socket < tier.bytes.size(); ++socket) {
    const auto& image = group.store[expert.value][socket];
    for (size_t p = 0; p < pages.size(); ++p) {
      const auto from = (first + static_cast<int64_t>(p)) * kPageBytes;
      const auto count = std::min<int64_t>(kPageBytes, static_cast<int64_t>(image.size()) - from);
      std::copy_n(image.begin() + from, count, tier.bytes[socket].begin() + pages[p] * kPageBytes);
    }
  }
}

void FunctionalChip::comes(uint16_t group, ExpertId expert, bool to_sram) {
  Group& g = groups_[group];
  Residence& r = g.experts[expert.value];
  RDU_CHECK(!r.tier, "expert {} comes to group {} twice", expert.value, group);
  r.tier = to_sram ? 1 : 0;
  r.pages.clear();
  const auto kept = static_cast<int64_t>(g.kept[expert.value].size());
  fail(take(g.tiers[*r.tier], pages_of(*g.programs) - kept, r.pages));
}

void FunctionalChip::arrived(uint16_t group, ExpertId expert) {
  Group& g = groups_[group];
  const Residence& r = g.experts[expert.value];
  RDU_CHECK(r.tier.has_value(), "expert {} arrived in group {} unasked", expert.value, group);
  fill(g, expert, g.tiers[*r.tier], r.pages, static_cast<int64_t>(g.kept[expert.value].size()));
  ++counts_.copies;
  counts_.bytes_copied += static_cast<int64_t>(r.pages.size()) * kPageBytes * g.programs->sockets();
}

void FunctionalChip::leaves(uint16_t group, ExpertId expert) {
  Group& g = groups_[group];
  Residence& r = g.experts[expert.value];
  RDU_CHECK(r.tier.has_value(), "expert {} leaves group {}, where it is not", expert.value, group);
  auto& free = g.tiers[*r.tier].free;
  free.insert(free.end(), r.pages.begin(), r.pages.end());
  r.tier.reset();
  ++counts_.evictions;
}

Status FunctionalChip::fetch(const Group& group, ExpertId expert, int64_t socket, int64_t offset,
                             std::span<uint8_t> out) const {
  const Residence& r = group.experts[expert.value];
  if (!r.tier) {
    return Error{ErrorCode::kInvalidInput, fmt::format("expert {}", expert.value),
                 "it runs, and is not there", ""};
  }
  const auto& kept = group.kept[expert.value];
  for (size_t done = 0; done < out.size();) {
    const auto at = offset + static_cast<int64_t>(done);
    const auto page = static_cast<size_t>(at / kPageBytes);
    const bool stays = page < kept.size();
    const int64_t place = stays ? kept[page] : r.pages[page - kept.size()];
    const auto& bytes = group.tiers[stays ? 0 : *r.tier].bytes[static_cast<size_t>(socket)];
    const auto count = std::min<size_t>(out.size() - done, static_cast<size_t>(kPageBytes - at % kPageBytes));
    std::copy_n(bytes.begin() + place * kPageBytes + at % kPageBytes, count,
                out.begin() + static_cast<std::ptrdiff_t>(done));
    done += count;
  }
  return {};
}

Status FunctionalChip::passed(const runtime::PassReport& pass) {
  if (!failed_.ok()) return failed_;
  Group& g = groups_[pass.group];
  const auto from_pages = [&](int64_t socket, int64_t offset, std::span<uint8_t> out) {
    return fetch(g, pass.expert, socket, offset, out);
  };
  for (const uint32_t number : pass.jobs) {
    ExpertSequence& job = jobs_[number];
    if (pass.prompt_to > 0) {
      // A fault may have sent it back to its beginning.
      if (pass.prompt_from == 0 || pass.prompt_from < job.read) begin_again(job);
      RDU_CHECK_OK(g.programs->read_prompt(job, pass.prompt_to, from_pages));
      ++counts_.passes;
    }
    for (int64_t i = 0; i < pass.steps; ++i) {
      RDU_CHECK_OK(g.programs->step(job, from_pages));
      ++counts_.passes;
    }
  }
  return {};
}

}  // namespace rdusim::cli
