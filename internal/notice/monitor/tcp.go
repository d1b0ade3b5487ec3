package monitor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
)

// maxTCPAnswer bounds what a TCP check reads while it waits for its text.
const maxTCPAnswer = 64 << 10

// tcpProber connects, sends what the spec says, and waits for the expected
// text. Without one the connection itself is the proof.
type tcpProber struct{ w *wire }

// Probe looks once.
func (p tcpProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(ctx context.Context, _ *Result) error {
		c, err := p.w.connect(ctx, "tcp", s.Host, s.Port)
		if err != nil {
			return err
		}
		defer c.Close()
		if s.Send == "" && s.Expect.Body == "" && s.Expect.Regex == "" {
			return nil
		}
		defer bind(ctx, c)()
		if s.Send != "" {
			if _, err := io.WriteString(c, s.Send); err != nil {
				return during("sending", err)
			}
		}
		return expectText(c, s.Expect)
	})
}

// expectText reads until the expected text has come.
func expectText(c io.Reader, e Expect) error {
	if e.Body == "" && e.Regex == "" {
		return nil
	}
	var re *regexp.Regexp
	if e.Regex != "" {
		var err error
		if re, err = regexp.Compile(e.Regex); err != nil {
			return failf(ReasonInvalid, "the pattern cannot be read")
		}
	}
	needle := []byte(e.Body)
	found := len(needle) == 0
	got := make([]byte, 0, 512)
	tried := 0 // how much of got the pattern has seen
	matches := func() bool {
		tried = len(got)
		return re == nil || re.Match(got)
	}
	for {
		if len(got) == cap(got) {
			if len(got) >= maxTCPAnswer {
				return failf(ReasonTooLarge, "expected text not within the first %d bytes", maxTCPAnswer)
			}
			got = append(got, 0)[:len(got)]
		}
		n, err := c.Read(got[len(got):cap(got)])
		from := max(0, len(got)-len(needle)+1)
		got = got[:len(got)+n]
		found = found || bytes.Contains(got[from:], needle)
		// A target that drips must not make us search the same text for every
		// byte: past the first pages the pattern waits for a sixteenth more.
		last := err != nil || len(got) >= maxTCPAnswer
		if found && (last || len(got) < 4096 || len(got)-tried > tried/16) && matches() {
			return nil
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return failf(ReasonBody, "expected text did not come, got %d bytes", len(got))
			}
			return during("waiting for the expected text", err)
		}
	}
}
