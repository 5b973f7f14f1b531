// A functional Composition of Experts on the simulated chip: what a serve says it does is done with real
// bytes. Told by the serve (runtime/serving/observer.h), it copies the experts' images from the store into
// pages of each group's HBM (or SRAM), and runs their compiled programs on the bytes that lie in these pages
// at that moment; values ride on the tokens of the event simulation, on as many sockets as the group has.
//
//   serve_groups ── comes, arrived, leaves ──► pages of a group, a page table an expert
//                └─ passed ──► each job's pass: image bytes through the page table ──► ExpertPrograms
//
// Room is taken when the copy is queued and filled with a pattern that is no number until the copy arrives,
// so a pass that began too early, a copy that was lost or two experts in one page show as wrong values; room
// that the serve counted wrongly shows as pages that are missing. Leaves out: jobs of one pass run one after
// another, each in a program of batch 1; their caches are kept a job each, outside HBM, so a prompt's tokens
// that the serve found in another job's cache are read anew.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cli/expert_programs.h"
#include "runtime/serving/observer.h"

namespace rdusim::cli {

class FunctionalChip final : public runtime::ServingObserver {
 public:
  static constexpr int64_t kPageBytes = 4096;

  // What a group of sockets holds: programs for so many sockets (shared by groups of one size) and the bytes
  // for experts in its HBM and SRAM, all sockets together, as the serve counts them.
  struct GroupMemory {
    ExpertPrograms* programs = nullptr;
    int64_t hbm_bytes = 0;
    int64_t sram_bytes = 0;
  };
  struct Counts {
    int64_t copies = 0;
    int64_t bytes_copied = 0;
    int64_t evictions = 0;
    int64_t passes = 0;  // of jobs
  };
  // `checkpoints` by expert, of one model; `kept_pages` of each image (its first) lie in HBM for good.
  static Result<std::unique_ptr<FunctionalChip>> make(std::vector<GroupMemory> groups,
                                                      std::span<const SafetensorsFile> checkpoints,
                                                      int64_t kept_pages = 0);
  // What the serve is to count for an expert on a group: its image in whole pages, all sockets.
  static int64_t expert_bytes(const ExpertPrograms& programs);

  // Jobs by number, before the serve: prompt, and how many tokens will be asked for.
  void add_job(std::vector<int64_t> prompt, int64_t outputs);
  [[nodiscard]] const ExpertSequence& sequence(size_t job) const { return jobs_[job]; }
  [[nodiscard]] const Counts& counts() const { return counts_; }
  // Flips signs of the expert's weights in the store of every group: to show that a comparison sees it.
  void damage(ExpertId expert);

  void comes(uint16_t group, ExpertId expert, bool to_sram) override;
  void arrived(uint16_t group, ExpertId expert) override;
  void leaves(uint16_t group, ExpertId expert) override;
  Status passed(const runtime::PassReport& pass) override;

 private:
  // A tier of a group: pages of every socket. Page p of all sockets is taken together.
  struct Pages {
    std::vector<std::vector<uint8_t>> bytes;  // by socket
    std::vector<int64_t> free;                // the last one goes first
  };
  struct Residence {
    std::optional<size_t> tier;  // in Group::tiers; absent: not there
    std::vector<int64_t> pages;  // its page table, behind the kept ones
  };
  struct Group {
    ExpertPrograms* programs = nullptr;
    std::array<Pages, 2> tiers;      // HBM, SRAM
    std::vector<ExpertImage> store;  // by expert
    std::vector<Residence> experts;
    std::vector<std::vector<int64_t>> kept;  // by expert: pages of HBM
  };
  FunctionalChip() = default;
  static Result<Group> make_group(const GroupMemory& memory, std::span<const SafetensorsFile> checkpoints,
                                  int64_t kept_pages);
  [[nodiscard]] static Status take(Pages& from, int64_t count, std::vector<int64_t>& pages);
  static void fill(Group& group, ExpertId expert, Pages& tier, const std::vector<int64_t>& pages,
                   int64_t first);
  Status fetch(const Group& group, ExpertId expert, int64_t socket, int64_t offset,
               std::span<uint8_t> out) const;
  void fail(Status status);

  std::vector<Group> groups_;
  std::vector<ExpertSequence> jobs_;
  Counts counts_;
  Status failed_;  // the first thing that went wrong in a call that returns nothing
};

}  // namespace rdusim::cli
