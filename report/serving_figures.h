// Figures of one node of a serving result: experts in HBM over time, memory, traffic. The node has served.
#pragma once

#include "report/page.h"
#include "report/result_view.h"

namespace rdusim::report {

// Gantt of the experts most asked for: in HBM, being copied, running. A window that all listed stays and
// requests cover, when the result lists only the first of them.
Figure residency_figure(const NodeView& node);
// HBM over time: from the samples if the result has any, else from the experts' stays.
Figure occupancy_figure(const NodeView& node);
// Sankey of the bytes that moved between the memories and the chip.
Figure traffic_figure(const NodeView& node);
// Bytes of a request by memory and cause, and what waiting for each memory takes.
Figure tier_figure(const NodeView& node);
// Mean latency of each step of the node's flows, by part. The node has flows.
Figure flow_figure(const NodeView& node);
// Joules by cause. The node has its energy.
Figure energy_figure(const NodeView& node);

}  // namespace rdusim::report
