// A serve that is stopped and taken up again says what an uninterrupted one says, whatever is switched on;
// and a file that is not of this serve, or not whole, is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/io/file.h"
#include "runtime/serving/archive.h"
#include "runtime/serving/checkpoint.h"
#include "tests/support/random_serving.h"

namespace rdusim::runtime {
namespace {

using testing::HasSubstr;

struct Case {
  RichNode node{1400};
  Workload workload;
  RequestPlans plans;
  Composition composition;
  ServeOptions options;
  std::vector<SocketGroup> groups;
  std::vector<std::string> files;
};

std::unique_ptr<Case> random_case(const std::string& scheduler, const std::string& eviction, uint64_t seed) {
  auto c = std::make_unique<Case>();
  Random random(seed * 31 + 7);
  c->node.node_memory.hbm_bytes = Bytes(random.below(2) == 0 ? 620 : 1400);
  c->workload = random_workload(seed, 90, random.below(2) == 0 ? 600 : 4000);
  if (random.below(2) == 0) add_follows(c->workload, seed);
  c->composition = random_composition(random.below(2) == 0 ? "none" : "embed");
  c->options = random_options(random, scheduler);
  c->options.eviction = eviction;
  c->options.engine.occupancy_sample_s = 1e-9;
  if (random.below(2) == 0) {
    c->plans = random_plans(c->workload, seed);
    add_flows(c->composition, c->plans);
    c->options.plans = &c->plans;
  }
  if (random.below(2) == 0) add_faults(c->options, seconds(c->workload.requests.back().arrival));
  c->groups.assign(1 + random.below(3), SocketGroup{&c->node, 2});
  return c;
}

NodeResult serve_case(const Case& c, const ServeOptions& options) {
  auto result = serve_groups(c.groups, c.composition, c.workload, options);
  EXPECT_TRUE(result.ok()) << result.error().to_string();
  return std::move(result).value();
}

TEST(RuntimeCheckpoint, AResumedServeSaysTheSame) {
  int resumed = 0;
  for (const SchedulerChoice& scheduler : schedulers()) {
    uint64_t seed = 0;
    for (const EvictionChoice& eviction : eviction_policies()) {
      if (eviction.offline) continue;
      SCOPED_TRACE(scheduler.name + " " + eviction.name);
      const auto c = random_case(scheduler.name, eviction.name, ++seed);
      const std::string whole = everything(serve_case(*c, c->options));
      ServeOptions writing = c->options;
      writing.checkpoint.every = 13;
      writing.checkpoint.write = [&c](const std::string& file) {
        c->files.push_back(file);
        return Status();
      };
      ASSERT_EQ(everything(serve_case(*c, writing)), whole);  // writing changes nothing
      ASSERT_FALSE(c->files.empty());
      for (const size_t at : {size_t{0}, c->files.size() / 2, c->files.size() - 1}) {
        ServeOptions resuming = c->options;
        resuming.checkpoint.resume = c->files[at];
        ASSERT_EQ(everything(serve_case(*c, resuming)), whole) << "file " << at;
        ++resumed;
      }
    }
  }
  EXPECT_GT(resumed, 100);
}

TEST(RuntimeCheckpoint, AFileThatDoesNotFitIsRefused) {
  const auto c = random_case("continuous", "lru", 3);
  std::string file;
  ServeOptions options = c->options;
  options.checkpoint.every = 20;
  options.checkpoint.write = [&file](const std::string& written) { return file = written, Status(); };
  serve_case(*c, options);
  options.checkpoint = {};
  const auto refused = [&](const std::string& bytes) {
    options.checkpoint.resume = bytes;
    options.checkpoint.resume_name = "c.bin";
    const auto result = serve_groups(c->groups, c->composition, c->workload, options);
    return result.ok() ? std::string("taken") : result.error().to_string();
  };
  EXPECT_EQ(refused(file), "taken");
  EXPECT_THAT(refused("nothing"), HasSubstr("this is no checkpoint of a serve"));
  EXPECT_THAT(refused(file.substr(0, 40)), HasSubstr("ends too early"));
  std::string newer = file;
  newer[8] = 9;
  EXPECT_THAT(refused(newer), HasSubstr("version 9, this program reads 2"));
  Random random(1);
  for (int i = 0; i < 300; ++i) {
    std::string damaged = file;
    const size_t at = 12 + random.below(file.size() - 12);
    if (i % 3 == 0) {
      damaged.resize(at);
    } else {
      damaged[at] = static_cast<char>(damaged[at] ^ static_cast<char>(1 + random.below(255)));
    }
    ASSERT_NE(refused(damaged), "taken") << at;
  }
  options.engine.longest_wait_s += 1;
  EXPECT_THAT(refused(file), HasSubstr("is of another serve"));
  options.engine.longest_wait_s -= 1;
  options.checkpoint.context = "another stack";
  EXPECT_THAT(refused(file), HasSubstr("is of another serve"));
}

TEST(RuntimeArchive, LengthsAreNotTrusted) {
  std::vector<uint32_t> values{1, 2, 3};
  std::string text = "expert";
  Archive out;
  out.mark("HEAD");
  out.pods(values);
  out.text(text);
  const std::string bytes = std::move(out).take();
  const auto read = [](std::string_view from) {
    Archive in(from);
    std::vector<uint32_t> numbers;
    std::string word;
    in.mark("HEAD");
    in.pods(numbers);
    in.text(word);
    return std::pair(in.status().ok(), word);
  };
  EXPECT_EQ(read(bytes), std::pair(true, text));
  EXPECT_FALSE(read(bytes + "x").first);
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(read(std::string_view(bytes).substr(0, size)).first);
  Random random(4);
  for (int i = 0; i < 5000; ++i) {
    std::string damaged = bytes;
    for (uint64_t n = 1 + random.below(3); n > 0; --n)
      damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
    read(damaged);  // whatever it says, it says it without asking for more memory than the file is long
  }
  std::string longer = bytes;
  const uint64_t huge = UINT64_MAX / 8;
  std::memcpy(longer.data() + 4, &huge, sizeof huge);
  EXPECT_FALSE(read(longer).first);
}

}  // namespace
}  // namespace rdusim::runtime
