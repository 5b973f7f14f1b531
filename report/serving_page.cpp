// The page of a serving result: what a request costs on each node, what users wait for, which expert is in
// HBM when, what moves between the memories.
#include <fmt/format.h>

#include <algorithm>

#include "report/charts.h"
#include "report/format.h"
#include "report/result_page.h"
#include "report/serving_figures.h"
#include "report/why_figures.h"

namespace rdusim::report {
namespace {

const std::vector<std::string>& part_names() {
  static const std::vector<std::string> names{"queueing", "routing", "switching", "prefill", "decode"};
  return names;
}

StackedBar bar_of(const std::string& label, const SplitView& split) {
  return {label, {split.queueing_s, split.routing_s, split.switching_s, split.prefill_s, split.decode_s}};
}

std::string share_text(double part, double whole) {
  return format_percent(whole > 0 ? part / whole : 0);
}

// Parts of a node's work on a request, longest first.
std::vector<NamedAmount> work_parts(const NodeView& node) {
  const SplitView each = node.per_request();
  std::vector<NamedAmount> parts = {{"routing", each.routing_s},
                                    {"switching experts", each.switching_s},
                                    {"prefill", each.prefill_s},
                                    {"decode", each.decode_s}};
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.amount > b.amount; });
  return parts;
}

double moved_bytes(const NodeView& node, const std::string& pair) {
  for (const auto& moved : node.moved) {
    if (moved.name == pair) return moved.amount;
  }
  return 0;
}

std::string how_long(const ServingView& serving) {
  std::string text;
  for (const auto& node : serving.nodes) {
    text += text.empty() ? "" : "; ";
    if (!node.served) {
      text += fmt::format("{} finishes none ({})", node.name,
                          node.reason.empty() ? "every request failed" : node.reason);
      continue;
    }
    text +=
        fmt::format("{} works {} on a request, and half of the users have their whole answer within {}",
                    node.name, format_time(node.per_request().working_s()), format_time(node.latency.p50_s));
  }
  return text + ".";
}

std::string why_text(const NodeView& node) {
  const auto parts = work_parts(node);
  const double whole = node.per_request().working_s();
  std::string text =
      fmt::format("On {}, {} is {} of the work and {} {}", node.name, parts[0].name,
                  share_text(parts[0].amount, whole), parts[1].name, share_text(parts[1].amount, whole));
  if (node.switches > 0) {
    text += fmt::format("; {} switches of experts copy {} and take {}", format_amount(node.switches),
                        format_bytes(moved_bytes(node, "store_to_hbm")),
                        share_text(node.per_request().switching_s, whole));
  } else {
    text += "; no expert had to be switched in";
  }
  const SplitView& all = node.node_time;
  const double passes_s = all.routing_s + all.prefill_s + all.decode_s;
  if (passes_s > 0)
    text +=
        fmt::format(". Passes read {}/s from HBM", format_bytes(moved_bytes(node, "hbm_to_chip") / passes_s));
  return text + ".";
}

// The first that explains this node.
const NodeWhyView* why_of(const std::vector<NodeWhyView>& why, const NodeView& node) {
  const auto at = std::find_if(why.begin(), why.end(), [&](const auto& w) { return w.node == node.name; });
  return at == why.end() || at->parameters.empty() ? nullptr : &*at;
}

std::string what_would_help(const NodeView& node, const NodeWhyView* explained) {
  const auto parts = work_parts(node);
  const SplitView each = node.per_request();
  const double whole = each.working_s();
  std::string text = fmt::format("On {}, halving {} takes {} off the work of a request, halving {} {}",
                                 node.name, parts[0].name, share_text(parts[0].amount / 2, whole),
                                 parts[1].name, share_text(parts[1].amount / 2, whole));
  if (node.switches > 0) text += fmt::format("; hiding every switch {}", share_text(each.switching_s, whole));
  const double waiting = node.latency.mean_s > 0 ? node.split.queueing_s / node.latency.mean_s : 0;
  if (waiting > 0.5) {
    text += fmt::format(
        ". Users mostly wait for the node ({} of their time): it is {} busy, so more nodes, or a scheduler "
        "that runs requests together, help them more than a faster pass",
        format_percent(waiting), share_text(node.node_time.working_s(), node.makespan_s));
  }
  text += ".";
  if (explained != nullptr)
    text += " Of the mean latency, " + derivative_sentence(explained->parameters, explained->mean_s);
  return text;
}

Figure work_figure(const ServingView& serving) {
  std::vector<StackedBar> bars;
  std::string sentence;
  for (const auto& node : serving.nodes) {
    if (!node.served) continue;
    const SplitView each = node.per_request();
    bars.push_back(bar_of(node.name, each));
    sentence += fmt::format("{} {} {}on {}", sentence.empty() ? "Switching experts is" : ",",
                            share_text(each.switching_s, each.working_s()),
                            sentence.empty() ? "of the work " : "", node.name);
  }
  return {sentence + ".", stacked_bars("Time of a node for one request", part_names(), bars, format_time)};
}

Figure waiting_figure(const ServingView& serving) {
  std::vector<StackedBar> bars;
  std::string sentence = "Waiting is";
  for (const auto& node : serving.nodes) {
    if (!node.served) continue;
    sentence += fmt::format("{} {} {}on {}", bars.empty() ? "" : ",",
                            share_text(node.split.queueing_s, node.latency.mean_s),
                            bars.empty() ? "of the mean latency " : "", node.name);
    bars.push_back(bar_of(node.name, node.split));
  }
  return {sentence + ".", stacked_bars("Mean latency of a request", part_names(), bars, format_time)};
}

Figure distribution_figure(const ServingView& serving, const std::string& title, const std::string& begin,
                           std::vector<double> NodeView::*values) {
  std::vector<DistributionSeries> series;
  std::string sentence = begin;
  for (const auto& node : serving.nodes) {
    const auto& all = node.*values;
    if (all.empty()) continue;
    auto sorted = all;
    std::sort(sorted.begin(), sorted.end());
    sentence +=
        fmt::format("{} {} on {} (the slowest {})", series.empty() ? "" : ",",
                    format_time(sorted[(sorted.size() - 1) / 2]), node.name, format_time(sorted.back()));
    series.push_back({node.name, all});
  }
  return {sentence + ".", distribution(title, series, format_time)};
}

bool any(const ServingView& serving, std::vector<double> NodeView::*values) {
  return std::any_of(serving.nodes.begin(), serving.nodes.end(),
                     [&](const auto& node) { return !(node.*values).empty(); });
}

Figure latency_table(const ServingView& serving) {
  Table table{{"node", "requests", "failed", "latency mean", "p50", "p95", "p99", "TTFT p50", "p95",
               "per token", "hit rate", "tokens/s"},
              {}};
  for (const auto& node : serving.nodes) {
    if (!node.served) {
      table.add({node.name, format_amount(node.requests), format_amount(node.failed), "does not run"});
      continue;
    }
    table.add({node.name, format_amount(node.requests), format_amount(node.failed),
               format_time(node.latency.mean_s), format_time(node.latency.p50_s),
               format_time(node.latency.p95_s), format_time(node.latency.p99_s), format_time(node.ttft.p50_s),
               format_time(node.ttft.p95_s), format_time(node.time_per_output_token_s),
               format_percent(node.hit_rate), format_number(node.output_tokens_per_s)});
  }
  return table_figure("Latency of a request, and what the node delivers.", table, "latency.csv");
}

Figure work_table(const ServingView& serving) {
  Table table{
      {"node", "per request", "routing", "switching", "prefill", "decode", "idle", "switches", "one switch"},
      {}};
  for (const auto& node : serving.nodes) {
    if (!node.served) {
      table.add({node.name, "does not run"});
      continue;
    }
    const SplitView each = node.per_request();
    table.add({node.name, format_time(each.working_s()), format_time(each.routing_s),
               format_time(each.switching_s), format_time(each.prefill_s), format_time(each.decode_s),
               format_time(node.node_time.queueing_s), format_amount(node.switches),
               node.switches > 0 ? format_time(node.node_time.switching_s / node.switches) : "–"});
  }
  return table_figure("The same as numbers, per request.", table, "work.csv");
}

// How many times longer than the first node.
Figure speedup_table(const ServingView& serving) {
  const NodeView& first = serving.nodes.front();
  const auto ratio = [](double other, double own) {
    return own > 0 && other > 0 ? format_ratio(other / own) : std::string("–");
  };
  const auto one_switch = [](const NodeView& node) {
    return node.switches > 0 ? node.node_time.switching_s / node.switches : 0;
  };
  const SplitView own = first.per_request();
  Table table{{"slower than " + first.name, "overall", "prefill and decode", "one switch"}, {}};
  std::string sentence;
  for (size_t n = 1; n < serving.nodes.size(); ++n) {
    const NodeView& node = serving.nodes[n];
    if (!node.served) {
      table.add({node.name, "does not run", "–", "–"});
      continue;
    }
    const SplitView other = node.per_request();
    const std::string overall = ratio(other.working_s(), own.working_s());
    table.add({node.name, overall, ratio(other.prefill_s + other.decode_s, own.prefill_s + own.decode_s),
               ratio(one_switch(node), one_switch(first))});
    sentence += fmt::format("{} {} takes {} as long as {}", sentence.empty() ? "For a request," : ";",
                            node.name, overall, first.name);
  }
  return table_figure(sentence.empty() ? "No other node serves." : sentence + ".", table, "nodes.csv");
}

Figure expert_table(const NodeView& node) {
  std::vector<const ExpertView*> experts;
  for (const auto& expert : node.experts) experts.push_back(&expert);
  std::stable_sort(experts.begin(), experts.end(),
                   [](const auto* a, const auto* b) { return a->requests > b->requests; });
  Table table{{"expert", "model", "weights", "program", "requests", "hits", "switches"}, {}};
  for (const auto* expert : experts) {
    table.add({expert->name, expert->model, format_bytes(expert->weight_bytes),
               format_bytes(expert->program_bytes), format_amount(expert->requests),
               format_amount(expert->hits), format_amount(expert->switches)});
  }
  return table_figure(
      fmt::format("Requests, hits and switches of each expert on {}; the {} most asked for has {} of {}.",
                  node.name, experts.front()->name, format_amount(experts.front()->requests),
                  format_amount(node.requests)),
      table, "experts.csv");
}

}  // namespace

PagePart serving_part(const ServingView& serving, const std::vector<NodeWhyView>& why) {
  PagePart part;
  part.title = "Serving " + serving.composition;
  const auto first =
      std::find_if(serving.nodes.begin(), serving.nodes.end(), [](const auto& node) { return node.served; });
  part.answers.push_back({"How long?", how_long(serving)});
  if (first == serving.nodes.end()) {
    part.summary = "No node finishes a request.";
    part.sections.push_back({"Requests", {latency_table(serving)}});
    return part;
  }
  part.summary = fmt::format("{} requests, {} node{}.", format_amount(first->requests), serving.nodes.size(),
                             serving.nodes.size() == 1 ? "" : "s");
  part.answers.push_back({"Why?", why_text(*first)});
  part.answers.push_back({"What would help?", what_would_help(*first, why_of(why, *first))});

  PageSection work{"Where the time goes", {work_figure(serving)}};
  if (serving.nodes.size() > 1 && serving.nodes.front().served)
    work.figures.push_back(speedup_table(serving));
  work.figures.push_back(work_table(serving));
  part.sections.push_back(std::move(work));
  PageSection waiting{"What users wait for", {waiting_figure(serving)}};
  if (any(serving, &NodeView::latency_values_s)) {
    waiting.figures.push_back(distribution_figure(serving, "Share of requests that end within a time",
                                                  "Half of the requests end within",
                                                  &NodeView::latency_values_s));
    waiting.figures.push_back(
        distribution_figure(serving, "Share of requests whose first token comes within a time",
                            "Half of the first tokens come within", &NodeView::ttft_values_s));
  }
  waiting.figures.push_back(latency_table(serving));
  part.sections.push_back(std::move(waiting));

  for (const auto& node : serving.nodes) {
    const NodeWhyView* explained = why_of(why, node);
    if (explained == nullptr) continue;
    part.sections.push_back({"What " + node.name + " hangs on",
                             parameter_figures(explained->parameters, explained->mean_s, "mean latency")});
  }
  PageSection switching{"Experts in and out of HBM", {}};
  if (any(serving, &NodeView::switching_values_s)) {
    switching.figures.push_back(distribution_figure(
        serving, "Share of switches that end within a time",
        "Of the requests that had to switch, half wait for it at most", &NodeView::switching_values_s));
  }
  PageSection memory{"Memory", {}};
  PageSection flows{"Flows", {}};
  PageSection energy{"Energy", {}};
  for (const auto& node : serving.nodes) {
    if (!node.served) continue;
    if (!node.flows.empty()) flows.figures.push_back(flow_figure(node));
    if (!node.energy_j.empty()) energy.figures.push_back(energy_figure(node));
    switching.figures.push_back(residency_figure(node));
    memory.figures.push_back(occupancy_figure(node));
    if (!node.moved.empty()) memory.figures.push_back(traffic_figure(node));
  }
  memory.figures.push_back(tier_figure(*first));
  for (PageSection* section : {&flows, &switching, &memory, &energy}) {
    if (!section->figures.empty()) part.sections.push_back(std::move(*section));
  }
  if (!first->experts.empty()) part.sections.push_back({"Experts", {expert_table(*first)}});
  return part;
}

PageSection compare_servings(const std::vector<NamedServing>& servings) {
  std::vector<StackedBar> bars;
  Table table{{"result", "composition", "node", "requests", "work of a request", "latency mean", "p95",
               "tokens/s", "switches"},
              {}};
  const NodeView* least = nullptr;
  const NodeView* most = nullptr;
  std::string least_name;
  std::string most_name;
  for (const auto& [name, serving] : servings) {
    for (const auto& node : serving.nodes) {
      if (!node.served) {
        table.add({name, serving.composition, node.name, format_amount(node.requests), "does not run"});
        continue;
      }
      bars.push_back(bar_of(fmt::format("{}, {}", name, node.name), node.split));
      table.add({name, serving.composition, node.name, format_amount(node.requests),
                 format_time(node.per_request().working_s()), format_time(node.latency.mean_s),
                 format_time(node.latency.p95_s), format_number(node.output_tokens_per_s),
                 format_amount(node.switches)});
      if (least == nullptr || node.latency.mean_s < least->latency.mean_s) {
        least = &node;
        least_name = bars.back().label;
      }
      if (most == nullptr || node.latency.mean_s > most->latency.mean_s) {
        most = &node;
        most_name = bars.back().label;
      }
    }
  }
  PageSection section{"The results beside each other", {}};
  if (least != nullptr) {
    section.figures.push_back(
        {fmt::format(
             "The least mean latency, {}, is that of {}; the most, {}, that of {}: {} as long.",
             format_time(least->latency.mean_s), least_name, format_time(most->latency.mean_s), most_name,
             format_ratio(least->latency.mean_s > 0 ? most->latency.mean_s / least->latency.mean_s : 0)),
         stacked_bars("Mean latency of a request, by result", part_names(), bars, format_time)});
  }
  section.figures.push_back(table_figure(fmt::format("The nodes of {} results as numbers.", servings.size()),
                                         table, "results.csv"));
  return section;
}

}  // namespace rdusim::report
