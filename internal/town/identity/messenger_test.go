package identity

import "testing"

// A messenger's address is one of four, written in one way.
func TestChatAddress(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " Signal: +49 170 1234567 ": "signal:+491701234567", "threema:abcdefgh": "threema:ABCDEFGH",
		"matrix:!lage:hs.example": "matrix:!lage:hs.example", "matrix:!lage:hs.example:8448": "matrix:!lage:hs.example:8448", "ntfy:ada_lage-7": "ntfy:ada_lage-7",
	} {
		if got, ok := ChatAddress(in); !ok || got != want {
			t.Errorf("%q: %q %t", in, got, ok)
		}
	}
	for _, in := range []string{"signal:", "signal:01", "+491701234567", "threema:ABC", "matrix:#lage:hs.example", "matrix:!a/b:hs", "ntfy:a/b", "ntfy:", "telegram:ada", "signal:+491701234567\nx"} {
		if got, ok := ChatAddress(in); ok {
			t.Errorf("%q is taken as %q", in, got)
		}
	}
}
