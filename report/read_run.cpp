#include <fmt/format.h>

#include <charconv>

#include "report/result_reader.h"
#include "report/result_view.h"

namespace rdusim::report {
namespace {

constexpr int64_t kMostTiles = 1 << 20;
constexpr const char* kHeadings[] = {"east", "south", "west", "north"};

SectionView read_section(ResultReader& reader, const DocumentNode& node, double clock_hz) {
  SectionView section;
  section.name = reader.text(node, "name");
  section.bound_by = reader.text(node, "bound_by");
  section.launches = reader.number(node, "launches");
  section.runs = reader.number(node, "runs");
  section.time_s = reader.number(node, "time_s");
  section.share = reader.number(node, "share");
  if (clock_hz > 0)
    section.launch_s = section.launches * reader.number(node, "launch_cycles_per_launch") / clock_hz;
  section.flops = reader.number_or_zero(node, "flops");
  section.hbm_bytes_per_s = reader.number(node, "hbm_bytes_per_s");
  section.pcus = reader.number(node, "pcus");
  section.pmus = reader.number(node, "pmus");
  if (const DocumentNode* bytes = node.find("bytes")) {
    for (const auto& [cause, amount] : reader.members(*bytes, "hbm"))
      section.hbm_bytes += reader.as_number(amount);
  }
  return section;
}

HardwareView read_hardware(ResultReader& reader, const DocumentNode& node) {
  HardwareView hardware;
  hardware.node = reader.text(node, "node");
  hardware.flops_per_s = reader.number(node, "flops_per_s");
  hardware.hbm_bytes_per_s = reader.number(node, "hbm_bytes_per_s");
  hardware.ddr_bytes_per_s = reader.number(node, "ddr_bytes_per_s");
  hardware.link_bytes_per_s = reader.number(node, "link_bytes_per_s");
  for (const DocumentNode& tier : reader.items(node, "memory")) {
    hardware.memory.push_back({reader.text(tier, "tier"), reader.number(tier, "used_bytes"),
                               reader.number(tier, "capacity_bytes")});
  }
  return hardware;
}

// "0-3 7" below `tiles`; false when it is something else.
bool parse_ranges(const std::string& text, uint32_t tiles, std::vector<uint32_t>& out) {
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    uint32_t first = 0;
    auto [rest, error] = std::from_chars(at, end, first);
    if (error != std::errc()) return false;
    uint32_t last = first;
    if (rest < end && *rest == '-') {
      const auto tail = std::from_chars(rest + 1, end, last);
      if (tail.ec != std::errc()) return false;
      rest = tail.ptr;
    }
    if (last < first || last >= tiles || out.size() + (last - first) >= tiles) return false;
    for (uint32_t t = first; t <= last; ++t) out.push_back(t);
    if (rest < end && *rest != ' ') return false;
    at = rest < end ? rest + 1 : rest;
  }
  return true;
}

std::vector<TileArea> read_areas(ResultReader& reader, const DocumentNode& section, const char* list,
                                 const char* level, uint32_t tiles) {
  std::vector<TileArea> areas;
  for (const DocumentNode& node : reader.items(section, list)) {
    TileArea area{reader.text(node, "name"), reader.number(node, level), {}};
    if (area.level < 0 || area.level > 1.001) reader.fail(node.where, std::string(level) + " is not a share");
    if (!parse_ranges(reader.text(node, "tiles"), tiles, area.tiles))
      reader.fail(node.where, "tiles are not ranges of the mesh");
    areas.push_back(std::move(area));
  }
  return areas;
}

int level_of(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  return letter == '+' ? 10 : letter == '.' ? -1 : -2;
}

void read_links(ResultReader& reader, const DocumentNode& section, const FloorplanView& plan,
                FloorplanSection& out) {
  const DocumentNode* links = section.find("links");
  if (links == nullptr) return;
  out.link_levels.assign(size_t{plan.rows} * plan.columns, -1);
  for (const char* heading : kHeadings) {
    const auto& rows = reader.items(*links, heading);
    if (rows.size() != plan.rows) return reader.fail(links->where, "links have not a text for each row");
    for (size_t r = 0; r < rows.size(); ++r) {
      if (rows[r].text.size() != plan.columns)
        return reader.fail(rows[r].where, "a row of links has not a letter for each column");
      for (size_t c = 0; c < plan.columns; ++c) {
        const int level = level_of(rows[r].text[c]);
        if (level == -2) return reader.fail(rows[r].where, "a link's load is '.', a digit or '+'");
        int& most = out.link_levels[r * plan.columns + c];
        most = std::max(most, level);
      }
    }
  }
}

}  // namespace

double CausedBytes::total() const {
  double sum = 0;
  for (const auto& cause : causes) sum += cause.amount;
  return sum;
}

Result<FloorplanView> read_floorplan(const DocumentNode& node) {
  ResultReader reader;
  FloorplanView plan;
  const int64_t rows = reader.count(node, "rows");
  const int64_t columns = reader.count(node, "columns");
  const int64_t dies = reader.count(node, "dies");
  RDU_CHECK_OK(reader.status());
  if (rows < 1 || columns < 1 || rows > kMostTiles || columns > kMostTiles || rows * columns > kMostTiles ||
      dies < 1 || dies > columns) {
    return Error{ErrorCode::kOutOfRange, node.where,
                 fmt::format("a mesh of {} x {} tiles on {} dies", rows, columns, dies),
                 "is it a result of rdusim?"};
  }
  plan.rows = static_cast<uint32_t>(rows);
  plan.columns = static_cast<uint32_t>(columns);
  plan.dies = static_cast<uint32_t>(dies);
  for (const DocumentNode& row : reader.items(node, "tiles")) plan.tiles.push_back(row.text);
  if (plan.tiles.size() != plan.rows) reader.fail(node.where, "tiles have not a text for each row");
  for (const auto& row : plan.tiles) {
    if (row.size() != plan.columns)
      reader.fail(node.where, "a row of tiles has not a letter for each column");
  }
  for (const DocumentNode& item : reader.items(node, "sections")) {
    FloorplanSection section;
    section.name = reader.text(item, "name");
    section.units = read_areas(reader, item, "units", "busy", plan.rows * plan.columns);
    section.stores = read_areas(reader, item, "stores", "fill", plan.rows * plan.columns);
    read_links(reader, item, plan, section);
    section.busiest_link = reader.number(item, "busiest_link");
    section.mean_link = reader.number(item, "mean_link");
    plan.sections.push_back(std::move(section));
  }
  RDU_CHECK_OK(reader.status());
  return plan;
}

Result<RunView> read_run(const DocumentNode& root) {
  ResultReader reader;
  RunView run;
  run.program = reader.text(root, "program");
  run.phase = reader.text(root, "phase");
  run.fidelity = reader.text(root, "fidelity");
  run.sockets = reader.number(root, "sockets");
  run.batch = reader.number(root, "batch");
  run.context = reader.number(root, "context");
  run.latency_s = reader.number(root, "latency_s");
  run.tokens_per_s = reader.number(root, "tokens_per_second");
  run.flops_per_s = reader.number(root, "flops_per_s");
  for (const auto& [wire, causes] : reader.members(root, "bytes")) {
    CausedBytes bytes{wire, {}};
    for (const auto& [cause, amount] : reader.members(*root.find("bytes"), wire))
      bytes.causes.push_back({cause, reader.as_number(amount)});
    if (!bytes.causes.empty()) run.bytes.push_back(std::move(bytes));
  }
  for (const auto& [what, cycles] : reader.members(root, "unit_cycles"))
    run.unit_cycles.push_back({what, reader.as_number(cycles)});
  const double clock_hz = reader.number(root, "clock_hz");
  for (const DocumentNode& node : reader.items(root, "sections"))
    run.sections.push_back(read_section(reader, node, clock_hz));
  const auto present = [&](const char* key) {
    const DocumentNode* node = root.find(key);
    return node == nullptr || node->kind == DocumentNode::Kind::kNull ? nullptr : node;
  };
  if (const DocumentNode* node = present("hardware")) run.hardware = read_hardware(reader, *node);
  RDU_CHECK_OK(reader.status());
  if (const DocumentNode* node = present("floorplan")) {
    RDU_ASSIGN(run.floorplan, read_floorplan(*node));
  }
  return run;
}

Result<Manifest> read_manifest(const DocumentNode& root) {
  Manifest manifest;
  const DocumentNode* node = root.find("manifest");
  if (node == nullptr) return manifest;
  ResultReader reader;
  manifest.version = reader.text(*node, "version");
  manifest.command = reader.text(*node, "command");
  manifest.seed = static_cast<uint64_t>(reader.number(*node, "seed"));
  for (const DocumentNode& file : reader.items(*node, "configs"))
    manifest.configs.push_back({reader.text(file, "path"), reader.text(file, "sha256")});
  RDU_CHECK_OK(reader.status());
  return manifest;
}

}  // namespace rdusim::report
