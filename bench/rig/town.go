package rig

import (
	"fmt"
	"strings"
)

// Town is the head of a configuration with people who can be alarmed. Their
// mail server is not there; what the benchmarks time are webhooks.
const Town = `town: {name: Benchstadt, slug: benchstadt, domains: [benchstadt.example], land: HE, probe_networks: [127.0.0.0/8]}
people:
  - {name: Ada Beispiel, email: ada@benchstadt.example, alternative: ada@posteo.example, roles: [it, publisher]}
  - {name: Bert Kern, email: bert@benchstadt.example, alternative: bert@posteo.example, roles: [admin, approver]}
`

// Monitors declares n monitors m00000, m00001 … that ask the targets in turn,
// each with a path of its own.
func Monitors(n int, scheme string, targets []*Target, keys string) string {
	var b strings.Builder
	b.WriteString("monitors:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {slug: m%05d, url: \"%s://%s/m%05d\", %s}\n", i, scheme, targets[i%len(targets)].Addr, i, keys)
	}
	return b.String()
}
