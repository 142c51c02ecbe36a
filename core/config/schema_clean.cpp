// Keys of `data.clean`.
#include "core/config/schema.h"

namespace plumb::config {

std::vector<Key> clean_keys() { return {}; }

}  // namespace plumb::config
