// A pipelined pass for people and for programs.
#pragma once

#include <string>

#include "cli/pipeline/run.h"
#include "report/manifest.h"
#include "report/table.h"

namespace rdusim::cli {

// A row a stage: layers, time of its micro-batches, how busy, share of the critical chain, what bounds it,
// HBM of a socket.
report::Table stages_table(const PipelineRun& run);
// Latency, rate, bubbles, which stage binds and by what.
std::string pipeline_summary(const PipelineRun& run);
// {program, pipeline{stages, sockets_per_stage, micro_batches, micro_batches_of, buffers}, phase, sockets,
// batch, context, fidelity, latency_s, interval_s (decode), tokens_per_second, flops_per_s, cycles, clock_hz,
// bubble_share, bound_by, stages[], borders[], schedule[]}. `cycles` and latency_s are of the first round.
report::Json pipeline_json(const PipelineRun& run);
// Steps of the first round on a timeline: a track a stage and a border.
std::vector<sim::TraceEvent> pipeline_events(const PipelineRun& run);

// What binds a stage: the section of its first micro-batch's program that takes longest, "layer: hbm".
std::string stage_bound(const PipelineRun& run, size_t stage);

}  // namespace rdusim::cli
