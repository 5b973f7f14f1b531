// The keys of a composition's `serving` block.
#include <fmt/format.h>

#include <numeric>

#include "runtime/serving/engine_options.h"
#include "runtime/serving/hbm_space.h"

namespace rdusim::runtime {
namespace {

constexpr RealRange kShare{0, 1};
constexpr RealRange kSeconds{0, 1e6};

const Fields<MechanismSpec>& mechanism_fields() {
  static const auto fields =
      Fields<MechanismSpec>("mechanisms", "what hides or shortens a switch; each alone or together")
          .boolean("prefetch", &MechanismSpec::prefetch, "copy the next experts while this one runs")
          .optional()
          .boolean("prefetch_flows", &MechanismSpec::prefetch_flows,
                   "while a step of a flow runs, copy the experts that the steps after it name")
          .optional()
          .boolean("predict_popularity", &MechanismSpec::predict_popularity,
                   "an idle DMA copies the absent expert that was asked for most")
          .optional()
          .boolean("predict_transition", &MechanismSpec::predict_transition,
                   "an idle DMA copies the expert that most often followed the last one")
          .optional()
          .boolean("layerwise", &MechanismSpec::layerwise,
                   "start when the first layer's weights have arrived")
          .optional()
          .real("keep_first_layers", &MechanismSpec::keep_first_layers, kShare, "",
                "share of every expert's bytes, its first layers, that never leaves HBM")
          .optional()
          .real("sram_share", &MechanismSpec::sram_share, kShare, "",
                "share of SRAM for copies of experts that fit it")
          .optional();
  return fields;
}

const Fields<FaultSpec>& fault_fields() {
  static const auto fields =
      Fields<FaultSpec>("fault", "what breaks, when")
          .text("kind", &FaultSpec::kind, "what breaks")
          .choices({"hbm-channel", "ddr-channel", "slow-link", "socket-down", "corrupt", "cancel"})
          .real("at_s", &FaultSpec::at_s, kSeconds, "s", "after the first arrival")
          .optional()
          .real("duration_s", &FaultSpec::duration_s, kSeconds, "s", "0: for good")
          .optional()
          .integer("group", &FaultSpec::group, {0, 1024}, "", "whose hardware, from 0")
          .optional()
          .integer("count", &FaultSpec::count, {1, 1'000'000}, "",
                   "channels lost, or copies that are corrupt")
          .optional()
          .real("factor", &FaultSpec::factor, {1e-6, 1}, "", "bandwidth that a slow link keeps")
          .optional()
          .text("expert", &FaultSpec::expert, "whose copies are corrupt; none: any")
          .optional()
          .integer("request", &FaultSpec::request, {0, 1'000'000'000}, "", "that is cancelled, from 0")
          .optional()
          .real("rate_per_hour", &FaultSpec::rate_per_hour, {0, 1e9}, "1/h", "random times instead of at_s")
          .optional();
  return fields;
}

const Fields<OwnerSpec>& owner_fields() {
  static const auto fields =
      Fields<OwnerSpec>("owner", "who may use an expert")
          .text("expert", &OwnerSpec::expert, "name in the composition")
          .texts("tenants", &OwnerSpec::tenants, "that may use it; an expert without a row is everybody's");
  return fields;
}

void add_scheduling(Fields<EngineOptions>& f) {
  f.text("scheduler", &EngineOptions::scheduler, "which expert runs next; a name of scheduler.def")
      .optional()
      .text("eviction", &EngineOptions::eviction, "which expert gives way; a name of eviction.def")
      .optional()
      .integer("max_running", &EngineOptions::max_running, {1, 4096}, "requests",
               "of one expert that decode together")
      .optional()
      .integer("prefill_chunk_tokens", &EngineOptions::prefill_chunk_tokens, {0, 10'000'000}, "tokens",
               "a prompt is read in chunks of so many; 0: whole")
      .optional()
      .real("longest_wait_s", &EngineOptions::longest_wait_s, kSeconds, "s",
            "a request that waited longer goes first")
      .optional()
      .real("least_resident_s", &EngineOptions::least_resident_s, kSeconds, "s",
            "an expert with work keeps the stream so long")
      .optional()
      .integer("quantum_steps", &EngineOptions::quantum_steps, {0, 1'000'000}, "passes",
               "after which another expert may take over; 0: when it drains")
      .optional()
      .real("host_iteration_s", &EngineOptions::host_iteration_s, kSeconds, "s",
            "host time of every pass of an iterating scheduler")
      .optional()
      .real("deadline_s", &EngineOptions::deadline_s, kSeconds, "s", "after arrival, of scheduler deadline")
      .optional();
}

void add_memory(Fields<EngineOptions>& f) {
  f.real("kv_share", &EngineOptions::kv_share, kShare, "",
         "of the HBM beside router and largest expert, for KV caches")
      .optional()
      .integer("kv_page_tokens", &EngineOptions::kv_page_tokens, {1, 1 << 20}, "tokens", "of a KV page")
      .optional()
      .integer("prefix_block_tokens", &EngineOptions::prefix_block_tokens, {1, 1 << 20}, "tokens",
               "of a block that prompts share")
      .optional()
      .boolean("prefix_sharing", &EngineOptions::prefix_sharing, "equal first blocks are computed once")
      .optional()
      .text("allocation", &EngineOptions::allocation, "how segments lie in HBM")
      .choices({std::begin(kSpacePolicyNames), std::end(kSpacePolicyNames)})
      .optional()
      .boolean("compaction", &EngineOptions::compaction, "move segments together before evicting for a hole")
      .optional();
}

void add_placement(Fields<EngineOptions>& f) {
  f.nested("mechanisms", &EngineOptions::mechanisms, mechanism_fields())
      .optional()
      .texts("pinned", &EngineOptions::pinned, "experts that never leave HBM once there")
      .optional()
      .texts("preload", &EngineOptions::preload, "in HBM before the first request; popular: as many as fit")
      .optional()
      .boolean("eager_unload", &EngineOptions::eager_unload, "experts leave when their last request is done")
      .optional()
      .integers("groups", &EngineOptions::groups, {1, 4096}, "sockets", "of each group that serves alone")
      .optional()
      .list("owners", &EngineOptions::owners, owner_fields())
      .optional()
      .boolean("scrub", &EngineOptions::scrub, "overwrite memory before another owner gets it")
      .optional()
      .list("faults", &EngineOptions::faults, fault_fields())
      .optional();
}

void add_objectives(Fields<EngineOptions>& f) {
  f.real("ttft_objective_s", &EngineOptions::ttft_objective_s, kSeconds, "s", "of goodput; 0: none")
      .optional()
      .real("time_per_token_objective_s", &EngineOptions::time_per_token_objective_s, kSeconds, "s",
            "of goodput; 0: none")
      .optional()
      .real("occupancy_sample_s", &EngineOptions::occupancy_sample_s, kSeconds, "s",
            "between samples of HBM by expert; 0: none")
      .optional();
}

std::string check_keep_and_sram(const EngineOptions& o) {
  const MechanismSpec& m = o.mechanisms;
  if (m.keep_first_layers >= 1) return "keep_first_layers of 1 leaves nothing to switch";
  return m.sram_share > 0.9 ? "sram_share above 0.9 leaves no SRAM to compute with" : "";
}

}  // namespace

const Fields<EngineOptions>& engine_fields() {
  static const auto fields = [] {
    Fields<EngineOptions> f("serving", "how the composition is served");
    add_scheduling(f);
    add_memory(f);
    add_placement(f);
    add_objectives(f);
    f.check(check_keep_and_sram);
    return f;
  }();
  return fields;
}

}  // namespace rdusim::runtime
