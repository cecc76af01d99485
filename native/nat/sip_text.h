// SPDX-License-Identifier: Apache-2.0
//
// The Call-ID of a SIP message (RFC 3261 section 20.8), which persistence by call goes by (`engine: sip`). What a
// stranger sent is read here as the kernel reads it (ip_vs_pe_sip.c, nf_conntrack_sip.c), oddities included: another
// reading would send the parts of one call to different servers than IPVS does.
#pragma once

#include <string_view>

namespace vsnat::nat {

/** What the kernel has room for (IP_VS_PEDATA_MAXLEN). */
inline constexpr size_t kLongestCallId = 255;

/**
 * It points into `message`, which is the whole payload of a datagram, or of the first of its pieces. Empty when there is
 * none, or none that can be told: too long, no word, or without the end of its line.
 */
std::string_view find_call_id(std::string_view message);

}  // namespace vsnat::nat
