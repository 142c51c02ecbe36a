// What other frameworks call our keys, so that their names are answered with ours.
#pragma once

#include <string>

namespace plumb::config {

// A hint for an unknown address, "axolotl's lora_r is method.lora.rank here"; empty if no peer has such a key.
std::string peer_hint(const std::string& address);
// "axolotl lora_r, Megatron --lora-rank" for the docs page.
std::string peers_text(const std::string& peers);

}  // namespace plumb::config
