#include "sim/dram/controller.h"

#include "base/arch/dram_fields.h"
#include "base/check.h"
#include "sim/dram/bank_queue_controller.h"
#include "sim/dram/unified_controller.h"

namespace rdusim::sim {

DramController::DramController(const DramSpec& spec)
    : state_(spec), bank_activates_(static_cast<size_t>(state_.shape().banks_per_channel)) {}

std::unique_ptr<DramController> DramController::make(const DramSpec& spec) {
  const Status valid = check_dram(spec);
  RDU_CHECK(valid.ok(), "{}", valid.error().to_string());
  if (spec.controller.kind == "per_bank_queue") return std::make_unique<BankQueueController>(spec);
  return std::make_unique<UnifiedController>(spec);
}

}  // namespace rdusim::sim
