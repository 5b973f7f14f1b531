// Ten experts with real weights, memory for three, on simulated chips: whatever policy, order, mechanism and
// division of the sockets serves them, every request gets the bytes that its expert computes alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <tuple>

#include "base/dtype.h"
#include "base/io/file.h"
#include "base/random.h"
#include "cli/chip_runner.h"
#include "cli/functional_chip.h"
#include "runtime/workload/popularity.h"
#include "tests/support/random_serving.h"
#include "tests/support/small_chip.h"

namespace rdusim::cli {
namespace {

constexpr size_t kExperts = 10;
constexpr int64_t kOutputs = 2;  // a prefill and a decode step
const std::vector<std::vector<int64_t>> kPrompts = {{3, 101, 59}, {26, 5, 35, 88, 7}};

// A file of the same tensors, every value off by up to a quarter.
SafetensorsFile perturbed(const std::string& path, Random& random) {
  std::vector<uint8_t> bytes = read_binary_file(path).value();
  const auto file = SafetensorsFile::from_bytes(bytes, path).value();
  for (const TensorEntry& entry : file.entries()) {
    for (int64_t at = entry.offset; at < entry.offset + entry.bytes; at += 2) {
      uint8_t* value = bytes.data() + at;
      const float old = bf16_value(static_cast<uint16_t>(value[0] | value[1] << 8));
      const uint16_t bits = bf16_bits(old * static_cast<float>(0.75 + 0.5 * random.uniform()));
      value[0] = static_cast<uint8_t>(bits & 0xFF);
      value[1] = static_cast<uint8_t>(bits >> 8);
    }
  }
  return SafetensorsFile::from_bytes(std::move(bytes), path).value();
}

// BLOOM with eight heads, so that it runs on one to eight sockets.
class Experts {
 public:
  Experts() {
    const std::string folder = std::string(RDUSIM_SOURCE_DIR) + "/tests/fixtures/models/bloom-2";
    model = std::move(models::load_model("", folder)).value();
    Random random(42);
    for (size_t i = 0; i < kExperts; ++i)
      checkpoints.push_back(perturbed(folder + "/model.safetensors", random));
  }
  ExpertPrograms& programs(int64_t sockets) {
    auto& of_size = programs_[sockets];
    if (of_size == nullptr) {
      const NodeSpec node = testing::small_node(sockets);
      auto made = ExpertPrograms::make(*model, node, node.stacks[0]);
      EXPECT_TRUE(made.ok()) << made.error().to_string();
      of_size = std::move(*made);
    }
    return *of_size;
  }
  // What `rdusim check` would compute: its own checkpoint through ChipRunner, no store, no pages.
  const std::vector<Tensor>& alone(int64_t sockets, ExpertId expert, size_t prompt) {
    auto& logits = alone_[{sockets, expert.value, prompt}];
    if (logits.empty()) logits = compute(sockets, checkpoints[expert.value], kPrompts[prompt]);
    return logits;
  }

  std::unique_ptr<models::Model> model;
  std::vector<SafetensorsFile> checkpoints;

 private:
  std::vector<Tensor> compute(int64_t sockets, const SafetensorsFile& weights,
                              const std::vector<int64_t>& prompt) {
    const NodeSpec node = testing::small_node(sockets);
    compiler::CompileOptions options;
    options.sockets = sockets;
    ChipRunner runner(node, node.stacks[0], options, weights);
    models::GraphRequest request;
    request.phase = models::Phase::kPrefill;
    request.query_tokens = static_cast<int64_t>(prompt.size());
    request.kv_capacity = request.query_tokens + kOutputs;
    models::TensorMap caches;
    std::vector<Tensor> all;
    std::vector<int64_t> ids = prompt;
    for (int64_t pass = 0; pass < kOutputs; ++pass) {
      const auto graph = model->build(request).value();
      Tensor input(static_cast<int64_t>(ids.size()), 1);
      for (size_t i = 0; i < ids.size(); ++i) input.values[i] = static_cast<float>(ids[i]);
      models::TensorMap inputs;
      for (const auto& value : graph.values) {
        if (value.role == SymbolRole::kInput) inputs[value.name] = input;
      }
      auto run = runner.run(graph, inputs, caches);
      EXPECT_TRUE(run.ok()) << run.error().to_string();
      all.push_back(run->outputs.at("logits"));
      const auto last = all.back().values.end() - all.back().cols();
      ids = {std::max_element(last, all.back().values.end()) - last};
      request.past_tokens += request.query_tokens;
      request.query_tokens = 1;
      request.phase = models::Phase::kDecode;
    }
    return all;
  }

  std::map<int64_t, std::unique_ptr<ExpertPrograms>> programs_;
  std::map<std::tuple<int64_t, uint32_t, size_t>, std::vector<Tensor>> alone_;
};

Experts& experts() {
  static Experts all;
  return all;
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.values.size() == b.values.size() &&
         std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(float)) == 0;
}

// How the eight sockets are divided, and how many experts fit a group's HBM: three together where a group has
// them all, fewer where a group is a home to few of the ten.
struct Split {
  int64_t groups;
  int64_t sockets;
  int64_t room;
};
constexpr std::array<Split, 4> kSplits{{{1, 8, 3}, {2, 4, 2}, {4, 2, 1}, {8, 1, 1}}};

struct Serve {
  Split split{};
  std::string scheduler = "sequential";
  std::string eviction = "lru";
  bool prefetches = false;  // and predicts, and starts with the first layer
  bool keeps = false;       // two pages of each expert
  bool uses_sram = false;
  bool faults = false;
  bool chunks = false;  // prompts by two tokens
  int requests = 12;
};

std::string name_of(const Serve& s) {
  return fmt::format("{}x{} {} {}{}{}{}{}{}", s.split.groups, s.split.sockets, s.scheduler, s.eviction,
                     s.prefetches ? " prefetch" : "", s.keeps ? " keep" : "", s.uses_sram ? " sram" : "",
                     s.faults ? " faults" : "", s.chunks ? " chunks" : "");
}

struct Course {
  runtime::Workload workload;
  std::vector<size_t> prompt_of;
};

Course make_course(const Serve& how) {
  Course course;
  course.workload.source = "functional";
  Random random(91);
  runtime::ExpertDraw draw({runtime::PopularityLaw::Kind::kZipf, 0.6}, kExperts, 17);
  int64_t arrival = 0;
  for (int i = 0; i < how.requests; ++i) {
    arrival += static_cast<int64_t>(random.below(500));
    course.prompt_of.push_back(random.below(kPrompts.size()));
    const auto tokens = static_cast<int64_t>(kPrompts[course.prompt_of.back()].size());
    course.workload.requests.push_back({Picoseconds(arrival), tokens, kOutputs, TenantId(), draw.next()});
  }
  return course;
}

runtime::ServeOptions options_of(const Serve& how, int64_t pages, const Course& course) {
  runtime::ServeOptions options;
  options.scheduler = how.scheduler;
  options.eviction = how.eviction;
  runtime::EngineOptions& e = options.engine;
  e.host_iteration_s = 3e-12;
  e.max_running = 4;
  e.kv_page_tokens = 1;
  if (how.chunks) e.prefill_chunk_tokens = 2;
  e.deadline_s = 1e-8;
  e.mechanisms.prefetch = e.mechanisms.predict_popularity = e.mechanisms.layerwise = how.prefetches;
  e.mechanisms.keep_first_layers = how.keeps ? 2.0 / static_cast<double>(pages) : 0;
  e.mechanisms.sram_share = how.uses_sram ? 0.5 : 0;
  if (how.faults) {
    runtime::add_faults(options, seconds(course.workload.requests.back().arrival));
    for (auto& fault : options.engine.faults) fault.request = 2;  // that is cancelled
  }
  return options;
}

// Adds what was switched out to `evictions`.
void serve_and_compare(const Serve& how, int64_t& evictions) {
  SCOPED_TRACE(name_of(how));
  ExpertPrograms& programs = experts().programs(how.split.sockets);
  const int64_t bytes = FunctionalChip::expert_bytes(programs);
  const int64_t pages = bytes / how.split.sockets / FunctionalChip::kPageBytes;
  const int64_t room = how.split.room * bytes + (how.keeps ? kExperts * 2 * (bytes / pages) : 0);
  auto chip = FunctionalChip::make(
      std::vector<FunctionalChip::GroupMemory>(static_cast<size_t>(how.split.groups),
                                               {&programs, room, how.uses_sram ? bytes : 0}),
      experts().checkpoints, how.keeps ? 2 : 0);
  ASSERT_TRUE(chip.ok()) << chip.error().to_string();

  const Course course = make_course(how);
  for (const size_t p : course.prompt_of) (*chip)->add_job(kPrompts[p], kOutputs);
  runtime::RichNode node(room + 60);  // KV caches of four requests besides
  node.models = {{"bloom", bytes}};
  const double copy_rate = static_cast<double>(bytes) / 150e-12;
  node.node_memory.switch_bandwidth = BytesPerSecond{copy_rate};
  node.node_memory.hbm_bandwidth = BytesPerSecond{2 * copy_rate};
  node.node_memory.store_bandwidth = BytesPerSecond{1.2 * copy_rate};
  node.node_memory.sram_bytes = Bytes(2 * bytes);
  // No room for second copies: every group has more experts than its HBM holds.
  const auto homes = (static_cast<int64_t>(kExperts) + how.split.groups - 1) / how.split.groups;
  node.node_memory.store_bytes = Bytes(homes * bytes);
  runtime::Composition composition;
  composition.name = "functional";
  composition.experts = {{"bloom", "bloom", static_cast<int64_t>(kExperts), {}}};
  composition.router.kind = "trace";
  composition.router.runs = "none";
  composition.batch = 4;
  runtime::ServeOptions options = options_of(how, pages, course);
  options.engine.kv_share = 56.0 / static_cast<double>(room + 60 - bytes);
  options.observer = chip->get();
  const std::vector<runtime::SocketGroup> groups(static_cast<size_t>(how.split.groups),
                                                 {&node, how.split.sockets});
  const auto result = runtime::serve_groups(groups, composition, course.workload, options);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  ASSERT_EQ(result->status, runtime::NodeStatus::kServed) << result->reason;
  ASSERT_EQ(result->finished + result->failed, how.requests);
  if (!how.faults) {
    ASSERT_EQ(result->failed, 0) << result->failures.front().reason;
  }
  for (size_t i = 0; i < course.prompt_of.size(); ++i) {
    if (result->records[i].failed) continue;
    const ExpertId expert = *course.workload.requests[i].expert;
    const auto& expected = experts().alone(how.split.sockets, expert, course.prompt_of[i]);
    const auto& logits = (*chip)->sequence(i).logits;
    ASSERT_EQ(logits.size(), expected.size()) << "request " << i;
    for (size_t pass = 0; pass < expected.size(); ++pass)
      ASSERT_TRUE(same_bytes(logits[pass], expected[pass])) << "request " << i << ", pass " << pass;
  }
  const auto& counts = (*chip)->counts();
  evictions += counts.evictions;
  EXPECT_EQ(counts.copies, result->switches);
  // Every prompt has more than the two tokens of a chunk.
  EXPECT_GE(counts.passes, result->finished * (kOutputs + (how.chunks ? 1 : 0)));
}

std::vector<std::string> policies() {
  std::vector<std::string> names;
  for (const auto& choice : runtime::eviction_policies()) {
    if (!choice.offline) names.push_back(choice.name);
  }
  return names;
}

// Every policy, with division, order and mechanisms in turn.
Serve turn(size_t i, const std::string& policy, int requests) {
  const auto schedulers = runtime::schedulers();
  Serve how;
  how.split = kSplits[i % kSplits.size()];
  how.scheduler = schedulers[i % schedulers.size()].name;
  how.eviction = policy;
  how.prefetches = i % 2 == 1;
  how.keeps = i % 3 == 1;
  how.uses_sram = i % 7 == 5;
  how.faults = i % 5 == 3;
  how.chunks = i % 3 == 2;
  how.requests = requests;
  return how;
}

TEST(FunctionalChip, ExpertsDiffer) {
  for (size_t e = 1; e < kExperts; ++e) {
    EXPECT_FALSE(
        same_bytes(experts().alone(1, ExpertId(size_t{0}), 0)[0], experts().alone(1, ExpertId(e), 0)[0]));
  }
}

TEST(FunctionalChip, EveryPolicyAnswersAsEachExpertAlone) {
  size_t i = 0;
  std::array<int64_t, kSplits.size()> evictions{};
  for (const std::string& policy : policies()) {
    serve_and_compare(turn(i, policy, 11), evictions[i % kSplits.size()]);
    ++i;
  }
  for (const int64_t count : evictions) EXPECT_GT(count, 0) << "nothing was switched out";
}

TEST(FunctionalChip, WeightsThatDifferAreSeen) {
  ExpertPrograms& programs = experts().programs(1);
  const int64_t bytes = FunctionalChip::expert_bytes(programs);
  const auto run = [&](bool damaged) {
    auto chip = FunctionalChip::make({{&programs, bytes, 0}}, experts().checkpoints).value();
    if (damaged) chip->damage(ExpertId(size_t{3}));
    chip->add_job(kPrompts[0], kOutputs);
    chip->comes(0, ExpertId(size_t{3}), false);
    chip->arrived(0, ExpertId(size_t{3}));
    const std::vector<uint32_t> jobs{0};
    EXPECT_TRUE(chip->passed({0, ExpertId(size_t{3}), jobs, 0, 3, 0}).ok());
    return chip->sequence(0).logits[0];
  };
  const Tensor& expected = experts().alone(1, ExpertId(size_t{3}), 0)[0];
  EXPECT_TRUE(same_bytes(run(false), expected));
  EXPECT_FALSE(same_bytes(run(true), expected));
}

TEST(FunctionalChip, APassBeforeItsWeightsAndRoomThatIsNotThereAreSeen) {
  ExpertPrograms& programs = experts().programs(1);
  const int64_t bytes = FunctionalChip::expert_bytes(programs);
  auto chip = FunctionalChip::make({{&programs, bytes, 0}}, experts().checkpoints).value();
  chip->add_job(kPrompts[0], kOutputs);
  const std::vector<uint32_t> jobs{0};
  const ExpertId first(size_t{0});
  EXPECT_FALSE(chip->passed({0, first, jobs, 0, 3, 0}).ok());  // it is not there
  chip->comes(0, first, false);
  ASSERT_TRUE(chip->passed({0, first, jobs, 0, 3, 0}).ok());  // its room is, its weights are not
  EXPECT_FALSE(same_bytes(chip->sequence(0).logits[0], experts().alone(1, first, 0)[0]));
  chip->comes(0, ExpertId(size_t{1}), false);  // there is room for one
  const auto full = chip->passed({0, first, jobs, 0, 3, 0});
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, ErrorCode::kCapacity);
}

// A prompt in chunks, sent back to its beginning after the first, and with a prefix that the serve found in a
// cache of another job: the same bytes each time.
TEST(FunctionalChip, PromptsInChunksAnswerAsWholeOnes) {
  ExpertPrograms& programs = experts().programs(2);
  const ExpertId expert(size_t{4});
  auto chip =
      FunctionalChip::make({{&programs, FunctionalChip::expert_bytes(programs), 0}}, experts().checkpoints)
          .value();
  chip->comes(0, expert, false);
  chip->arrived(0, expert);
  struct Piece {
    int64_t from, to;
  };
  const std::vector<std::vector<Piece>> courses = {
      {{0, 5}}, {{0, 2}, {2, 4}, {4, 5}}, {{0, 2}, {2, 4}, {0, 2}, {2, 5}}, {{3, 5}}, {{0, 4}, {2, 5}}};
  for (uint32_t job = 0; job < courses.size(); ++job) {
    chip->add_job(kPrompts[1], kOutputs);
    const std::vector<uint32_t> jobs{job};
    for (const Piece& piece : courses[job])
      ASSERT_TRUE(chip->passed({0, expert, jobs, piece.from, piece.to, 0}).ok());
    ASSERT_TRUE(chip->passed({0, expert, jobs, 0, 0, 1}).ok());
    const auto& logits = chip->sequence(job).logits;
    const auto& expected = experts().alone(2, expert, 1);
    ASSERT_EQ(logits.size(), expected.size()) << "course " << job;
    for (size_t pass = 0; pass < expected.size(); ++pass)
      EXPECT_TRUE(same_bytes(logits[pass], expected[pass])) << "course " << job << ", pass " << pass;
  }
}

class FunctionalChipPolicySlow : public ::testing::TestWithParam<std::string> {};

TEST_P(FunctionalChipPolicySlow, AThousandRequests) {
  const auto all = policies();
  const auto at = static_cast<size_t>(std::find(all.begin(), all.end(), GetParam()) - all.begin());
  int64_t evictions = 0;
  serve_and_compare(turn(at, GetParam(), 1000), evictions);
  EXPECT_GT(evictions, 100);
}

INSTANTIATE_TEST_SUITE_P(All, FunctionalChipPolicySlow, ::testing::ValuesIn(policies()));

class FunctionalChipDivisionSlow : public ::testing::TestWithParam<size_t> {};

TEST_P(FunctionalChipDivisionSlow, EveryOrder) {
  size_t i = GetParam();
  for (const auto& scheduler : runtime::schedulers()) {
    for (const bool prefetches : {false, true}) {
      Serve how = turn(i, policies()[i % policies().size()], 60);
      ++i;
      how.split = kSplits[GetParam()];
      how.scheduler = scheduler.name;
      how.prefetches = prefetches;
      int64_t evictions = 0;
      serve_and_compare(how, evictions);
      EXPECT_GT(evictions, 1) << name_of(how);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, FunctionalChipDivisionSlow, ::testing::Range(size_t{0}, kSplits.size()));

}  // namespace
}  // namespace rdusim::cli
