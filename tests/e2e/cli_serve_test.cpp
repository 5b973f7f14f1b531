// rdusim serve as a user calls it: every option does what its line says, and a long serve that was stopped
// goes on to the same bytes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/e2e/cli_run.h"

namespace rdusim {
namespace {

using test::CommandRun;
using test::Scratch;

// Fifteen small experts, chains and a jury. HBM of 1.2 GB a socket holds three of them.
constexpr const char* kComposition = R"(name: small-flows
description: chains and a jury over small experts
experts:
  - {name: one, model: llama-3.2-1b, count: 12}
  - {name: math, model: llama-3.2-1b}
  - {name: code, model: llama-3.2-1b}
  - {name: judge, model: llama-3.2-1b}
router: {kind: popularity, popularity: "zipf:0.9", runs: none}
flows:
  - name: plain
    share: 5
    steps: [{name: answer, expert: assigned}]
  - name: chain
    share: 3
    steps: [{name: first, expert: assigned}, {name: second, expert: routed}]
  - name: jury
    share: 2
    steps:
      - {name: a, expert: math, after: [request]}
      - {name: b, expert: code, after: [request], copies: 4}
      - {name: verdict, expert: judge, after: [a, b]}
request: {prompt_tokens: 64, output_tokens: 12}
stack: 2024-late
batch: 2
)";
constexpr const char* kServe =
    "serve flows.yaml --requests synthetic:poisson,rate=60,n=300 --set chip.hbm.capacity_bytes=1.2e9 -q ";

class CliServedFlows : public ::testing::Test {
 protected:
  CliServedFlows() { scratch_.write("flows.yaml", kComposition); }
  nlohmann::json serve(const std::string& options) {
    const CommandRun run = scratch_.run(kServe + options + " --json -");
    EXPECT_EQ(run.code, 0) << options << "\n" << run.err;
    return run.code == 0 ? run.json() : nlohmann::json();
  }
  nlohmann::json node(const std::string& options) { return serve(options)["nodes"]["sn40l-8"]; }
  // The result without the manifest, which names command line and files.
  std::string result(const std::string& options) {
    auto json = serve(options);
    json.erase("manifest");
    return json.dump();
  }
  // Whole; with checkpoints written; and taken up again from the last of them, in a new process.
  void take_up_again(const std::string& how) {
    SCOPED_TRACE(how);
    const std::string whole = result(how + " --records whole.csv");
    ASSERT_NE(whole.find("\"chain\""), std::string::npos);
    EXPECT_EQ(result(how + " --records written.csv --checkpoint c.bin --checkpoint-every 100"), whole);
    ASSERT_TRUE(std::filesystem::exists(scratch_.path("c.bin")));
    EXPECT_EQ(result(how + " --records resumed.csv --resume c.bin"), whole);
    const std::string records = test::read_all(scratch_.path("whole.csv"));
    EXPECT_GT(std::count(records.begin(), records.end(), '\n'), 300);
    EXPECT_EQ(test::read_all(scratch_.path("written.csv")), records);
    EXPECT_EQ(test::read_all(scratch_.path("resumed.csv")), records);
    // Another way to serve does not take it.
    const CommandRun other = scratch_.run(kServe + how + " --batch 3 --resume c.bin");
    EXPECT_EQ(other.code, 2);
    EXPECT_NE(other.err.find("another serve"), std::string::npos) << other.err;
    std::filesystem::remove(scratch_.path("c.bin"));
  }
  Scratch scratch_;
};

class CliServedFlowsSlow : public CliServedFlows {};

TEST_F(CliServedFlows, AServeThatIsTakenUpAgainSaysTheSameBytes) {
  take_up_again("--scheduler lookahead --eviction arc --with prefetch,flows,popularity,layerwise,keep=0.05");
}

TEST_F(CliServedFlowsSlow, UnderEverySchedulerAndPolicyItSaysTheSameBytes) {
  const std::vector<std::string> policies{"fifo", "lru",   "lfu",  "clock",    "sieve", "s3fifo",
                                          "arc",  "lfuda", "gdsf", "arcpaper", "size"};
  const std::vector<std::string> ways{"--with prefetch,flows", "--groups 4,4", "--with sram,transition",
                                      // Room for one expert in a group.
                                      "--groups 2,2,2,2 --with prefetch,layerwise --set "
                                      "chip.hbm.capacity_bytes=1.6e9"};
  size_t i = 0;
  for (const char* scheduler : {"sequential", "continuous", "collate", "lookahead", "deadline"}) {
    for (int n = 0; n < 3; ++n, ++i) {
      take_up_again(fmt::format("--scheduler {} --eviction {} {}", scheduler, policies[i % policies.size()],
                                ways[i % ways.size()]));
    }
  }
}

TEST_F(CliServedFlows, WorkersDoNotMatter) {
  scratch_.write("sweep.yaml", R"(name: policies
command: serve flows.yaml --requests synthetic:poisson,rate=60,n=200 --set chip.hbm.capacity_bytes=1.2e9
grid:
  - {column: scheduler, option: --scheduler, values: [sequential, lookahead]}
  - {column: eviction, option: --eviction, values: [lru, clock, gdsf]}
columns:
  - {column: mean_s, path: nodes.sn40l-8.latency.mean_s}
  - {column: switching_s, path: nodes.sn40l-8.split.switching_s}
)");
  ASSERT_EQ(scratch_.run("sweep ./sweep.yaml --workers 1 -o one.csv").code, 0);
  ASSERT_EQ(scratch_.run("sweep ./sweep.yaml --workers 4 -o four.csv").code, 0);
  const std::string one = test::read_all(scratch_.path("one.csv"));
  EXPECT_EQ(std::count(one.begin(), one.end(), '\n'), 7);
  EXPECT_EQ(one.find("error:"), std::string::npos) << one;
  EXPECT_EQ(one, test::read_all(scratch_.path("four.csv")));
}

TEST_F(CliServedFlows, CheckpointsAreOfOneNode) {
  const CommandRun run = scratch_.run(std::string(kServe) + "--compare dgx-a100 --checkpoint c.bin");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("a checkpoint is of a serve on one node"), std::string::npos) << run.err;
}

TEST_F(CliServedFlows, TokensOfEveryRequest) {
  const auto json = node("--prompt-tokens 32 --output-tokens 5");
  EXPECT_EQ(json["requests"], 300);
  const CommandRun run =
      scratch_.run(std::string(kServe) + "--prompt-tokens 32 --output-tokens 5 --records r.csv");
  ASSERT_EQ(run.code, 0) << run.err;
  const std::string records = test::read_all(scratch_.path("r.csv"));
  EXPECT_NE(records.find(",32,5,"), std::string::npos) << records.substr(0, 400);
}

TEST_F(CliServedFlows, SchedulersAndPoliciesAreNamedInTheResultAndUnknownOnesRefused) {
  EXPECT_NE(result("--scheduler collate"), result("--scheduler sequential"));
  EXPECT_NE(result("--eviction lfu"), result("--eviction fifo"));
  for (const auto& [options, message] : std::vector<std::pair<std::string, std::string>>{
           {"--scheduler continous", "did you mean 'continuous'?"},
           {"--eviction lfuu", "did you mean 'lfu'?"},
           {"--with prefetsh", "did you mean 'prefetch'?"},
           {"--with keep=2", "no share from 0 to 1"},
           {"--groups 8,4", "12 sockets in groups of sn40l-8 with 8"},
           {"--resume no-such-file", "no-such-file"}}) {
    const CommandRun run = scratch_.run(kServe + options);
    EXPECT_EQ(run.code, 2) << options;
    EXPECT_NE(run.err.find(message), std::string::npos) << options << "\n" << run.err;
  }
}

TEST_F(CliServedFlows, EachMechanismLeavesItsTrace) {
  const auto bytes = [&](const std::string& options, const char* key) {
    return node(options)["engine"][key].get<double>();
  };
  const auto switching = [](const nlohmann::json& node) {
    return node["split"]["switching_s"].get<double>();
  };
  const std::string plain = "--scheduler continuous --eviction lru";
  EXPECT_EQ(bytes(plain, "prefetched_bytes"), 0);
  for (const char* mechanism : {"prefetch", "flows", "popularity", "transition", "preload"})
    EXPECT_GT(bytes(plain + " --with " + mechanism, "prefetched_bytes"), 0) << mechanism;
  const double alone_s = switching(node(plain));
  EXPECT_LT(switching(node(plain + " --with layerwise")), alone_s);
  EXPECT_LT(switching(node(plain + " --with prefetch,flows,layerwise")), alone_s);
  EXPECT_NE(switching(node(plain + " --with keep=0.05")), alone_s);
}

TEST_F(CliServedFlows, AServingFileStandsInPlaceOfTheCompositionsBlock) {
  scratch_.write("serving.yaml", "scheduler: lookahead\neviction: gdsf\nmax_running: 2\n");
  const std::string from_file = result("--serving serving.yaml");
  scratch_.write("flows.yaml", std::string(kComposition) +
                                   "serving: {scheduler: lookahead, eviction: gdsf, max_running: 2}\n");
  EXPECT_EQ(from_file, result(""));
  EXPECT_NE(from_file, result("--scheduler sequential"));
  scratch_.write("serving.yaml", "schedular: lookahead\n");
  const CommandRun run = scratch_.run(std::string(kServe) + "--serving serving.yaml");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("serving.yaml:1"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("scheduler"), std::string::npos) << run.err;
}

TEST_F(CliServedFlows, WhateverBreaksEveryRequestFinishesOrFailsWithItsReason) {
  scratch_.write("faults.yaml", R"(scheduler: continuous
groups: [4, 4]
owners: [{expert: judge, tenants: [default]}]
scrub: true
faults:
  - {kind: hbm-channel, at_s: 0.5, duration_s: 1, group: 0}
  - {kind: ddr-channel, at_s: 1, duration_s: 1, group: 1}
  - {kind: slow-link, at_s: 1.5, duration_s: 1, factor: 0.2}
  - {kind: socket-down, at_s: 2, duration_s: 0.5, group: 1}
  - {kind: corrupt, at_s: 2.6, count: 2}
  - {kind: cancel, at_s: 3, request: 180}
  - {kind: corrupt, rate_per_hour: 2000}
)");
  const auto json = node("--serving faults.yaml --set chip.hbm.capacity_bytes=2.4e9");
  EXPECT_EQ(json["requests"], 300);
  EXPECT_EQ(json["finished"].get<int>() + json["failed"].get<int>(), 300);
  EXPECT_EQ(json["failures"].size(), json["failed"].get<size_t>());
  for (const auto& failure : json["failures"]) EXPECT_FALSE(failure["reason"].get<std::string>().empty());
  EXPECT_GT(json["finished"], 200);
  EXPECT_GE(json["engine"]["faults"], 10);  // six, four of which end again, and some at random
  EXPECT_GE(json["engine"]["corrupt_copies"], 2);
  EXPECT_GT(json["engine"]["scrubbed_bytes"], 0);
  // Of memory as of requests: what the experts were switched in with is what left the store.
  double switched = 0;
  for (const auto& expert : json["experts"]) switched += expert["copied_bytes"].get<double>();
  EXPECT_EQ(switched,
            json["bytes"]["store_to_hbm"].get<double>() + json["bytes"]["store_to_sram"].get<double>());
}

TEST_F(CliServedFlows, EnergyIsOfferedWhenAskedFor) {
  EXPECT_FALSE(node("").contains("energy"));
  const auto json = node("--energy");
  ASSERT_TRUE(json.contains("energy")) << json.dump().substr(0, 300);
}

TEST_F(CliServedFlows, EmbeddingsAndRoutersThatDoNotFitAreRefused) {
  const CommandRun router = scratch_.run(std::string(kServe) + "--router builtin");
  EXPECT_EQ(router.code, 2);
  EXPECT_NE(router.err.find("has no k-NN router"), std::string::npos) << router.err;
  const CommandRun none = scratch_.run(std::string(kServe) + "--embeddings no-such.npy");
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.err.find("no-such.npy"), std::string::npos) << none.err;
  EXPECT_EQ(result("--router none"), result(""));
}

TEST_F(CliServedFlows, PlanKnowsFlows) {
  const auto plan = [&](const std::string& options) {
    return scratch_.run(
        "plan --composition flows.yaml --requests synthetic:poisson,rate=400,n=200 --set "
        "chip.hbm.capacity_bytes=1.2e9 -q --json - " +
        options);
  };
  const CommandRun met = plan("--objective 'p95 e2e < 0.1 s'");
  ASSERT_EQ(met.code, 0) << met.err;
  ASSERT_TRUE(met.json()["nodes"].is_number());
  // Without its flows a request is one answer: fewer nodes do.
  std::string plain = kComposition;
  const size_t begin = plain.find("flows:\n");
  plain.erase(begin, plain.find("request:") - begin);
  scratch_.write("flows.yaml", plain);
  const CommandRun alone = plan("--objective 'p95 e2e < 0.1 s'");
  ASSERT_EQ(alone.code, 0) << alone.err;
  EXPECT_LT(alone.json()["nodes"].get<int>(), met.json()["nodes"].get<int>());
  const CommandRun never = plan("--most-nodes 2 --objective 'p95 e2e < 1 us'");
  EXPECT_EQ(never.code, 1) << never.err;
  EXPECT_TRUE(never.json()["nodes"].is_null());
  scratch_.write("flows.yaml", plain + "serving: {groups: [4, 4]}\n");
  const CommandRun groups = plan("--objective 'p95 e2e < 0.1 s'");
  EXPECT_EQ(groups.code, 2);
  EXPECT_NE(groups.err.find("divides the sockets into groups"), std::string::npos) << groups.err;
}

// Every Samba-1 flow, 54 experts of many shapes: compiling them takes seconds.
TEST_F(CliServedFlowsSlow, SambaOneTakenUpAgainSaysTheSameBytes) {
  const auto serve = [&](const std::string& more) {
    const CommandRun run = scratch_.run(
        "serve samba-1 --requests synthetic:poisson,rate=1,n=400 --popularity zipf:0.9 --scheduler lookahead "
        "--eviction lfu --with prefetch,flows,layerwise -q --json - " +
        more);
    EXPECT_EQ(run.code, 0) << run.err;
    auto json = run.json();
    json.erase("manifest");
    return json.dump();
  };
  const std::string whole = serve("");
  for (const char* flow : {"guarded", "three-and-a-judge", "best-of-16", "chart-to-table-to-text"})
    EXPECT_NE(whole.find(flow), std::string::npos);
  EXPECT_EQ(serve("--checkpoint c.bin --checkpoint-every 150"), whole);
  EXPECT_EQ(serve("--resume c.bin"), whole);
}

}  // namespace
}  // namespace rdusim
