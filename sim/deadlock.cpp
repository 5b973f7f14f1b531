// Why a section stopped: every unfinished unit waits for one other unit (for a token from a producer, or for
// space at a consumer). Following these waits from the first unfinished unit ends in a cycle, or at a unit
// that has finished.
#include <fmt/format.h>

#include <algorithm>

#include "sim/section_run.h"

namespace rdusim::sim {

namespace {

const Component* waits_for(const Component& c) {
  const TokenChannel* channel = c.wait_channel();
  return c.wait_for() == WaitFor::kToken ? channel->producer : channel->consumer;
}

std::string unit_label(const Component& c, bool with_socket) {
  return with_socket ? fmt::format("{} on socket {}", c.unit().name, c.socket()) : c.unit().name;
}

std::string wait_text(const Component& c, bool with_socket) {
  const Component& other = *waits_for(c);
  const char* what = c.wait_for() == WaitFor::kToken ? "a token" : "space";
  const char* direction = c.wait_for() == WaitFor::kToken ? "from" : "to";
  return fmt::format("{} waits for {} on channel {} {} {}", unit_label(c, with_socket), what,
                     c.wait_channel()->name(), direction, unit_label(other, with_socket));
}

}  // namespace

Error deadlock_error(const Section& section, const std::vector<const Component*>& components,
                     const std::vector<const TokenChannel*>& channels) {
  std::vector<const Component*> path;
  const Component* at =
      *std::find_if(components.begin(), components.end(), [](const Component* c) { return !c->finished(); });
  const bool with_socket =
      std::any_of(components.begin(), components.end(), [](const Component* c) { return c->socket() > 0; });
  while (!at->finished() && at->wait_for() != WaitFor::kNothing &&
         std::find(path.begin(), path.end(), at) == path.end()) {
    path.push_back(at);
    at = waits_for(*at);
  }
  const auto cycle = std::find(path.begin(), path.end(), at);
  std::string text = cycle == path.end() ? "nothing can move: " : "deadlock: ";
  for (auto it = cycle == path.end() ? path.begin() : cycle; it != path.end(); ++it) {
    text += wait_text(**it, with_socket) + "; ";
  }
  if (cycle == path.end()) {
    text +=
        fmt::format("{} {}", unit_label(*at, with_socket), at->finished() ? "has finished" : "was stopped");
  } else {
    text.resize(text.size() - 2);
  }
  std::string fills = "channel fill:";
  for (const TokenChannel* c : channels) {
    if (c->fill_tokens() == 0 && components.size() > 64)
      continue;  // large sections: only what holds something
    fills += fmt::format(" {} {}/{}", c->name(), c->fill_tokens(), c->capacity_tokens());
  }
  return Error{ErrorCode::kDeadlock, "section " + section.name, std::move(text),
               fills + "; a deeper channel on the cycle may resolve it"};
}

}  // namespace rdusim::sim
