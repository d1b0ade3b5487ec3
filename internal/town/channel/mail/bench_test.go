package mail

import (
	"errors"
	"fmt"
	"testing"
	"time"

	gomail "github.com/wneessen/go-mail"

	"tuermer/internal/town/channel"
)

// The figures that goals I3 and I4 rest on. "send" opens a connection for each
// message, as a sender without batches does; "go-mail" keeps its connections,
// as listmonk's and most pools do; eight at a time in all four:
//
//	go test -run '^$' -bench Relay -benchtime 2x ./internal/town/channel/mail
func BenchmarkRelay20ms(b *testing.B) {
	const n, conns = 800, 8
	for name, pipelining := range map[string]bool{"batch-plain": false, "batch-pipelining": true} {
		b.Run(name, func(b *testing.B) {
			w := newNetwork(10 * time.Millisecond) // each way: 20 ms a round trip
			w.serve(b, (&moody{pipelining: pipelining}).handle)
			a := adapter(b, w)
			for b.Loop() {
				for _, o := range a.SendBatch(b.Context(), messages(n)) {
					if o.Err != nil {
						b.Fatal(o.Err)
					}
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "mails/s")
		})
	}
	// pool lets eight workers send a quarter of the messages one by one.
	pool := func(b *testing.B, worker func() (send func(channel.Message) error, err error)) {
		for b.Loop() {
			todo := make(chan channel.Message, n/4)
			for _, m := range messages(n / 4) {
				todo <- m
			}
			close(todo)
			failed := make(chan error, conns)
			for range conns {
				go func() {
					send, err := worker()
					for m := range todo {
						if err == nil {
							err = send(m)
						}
					}
					failed <- err
				}()
			}
			for range conns {
				if err := <-failed; err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(n/4*b.N)/b.Elapsed().Seconds(), "mails/s")
	}
	b.Run("send", func(b *testing.B) {
		w := newNetwork(10 * time.Millisecond)
		w.serve(b, (&moody{pipelining: true}).handle)
		a := adapter(b, w)
		pool(b, func() (func(channel.Message) error, error) {
			return func(m channel.Message) error {
				_, err := a.Send(b.Context(), m)
				return err
			}, nil
		})
	})
	b.Run("go-mail", func(b *testing.B) {
		w := newNetwork(10 * time.Millisecond)
		w.serve(b, (&moody{pipelining: true}).handle)
		pool(b, func() (func(channel.Message) error, error) {
			c, err := gomail.NewClient("mail.example", gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithDialContextFunc(w.DialContext))
			if err != nil {
				return nil, err
			}
			if err := c.DialWithContext(b.Context()); err != nil {
				return nil, err
			}
			return func(m channel.Message) error {
				g := gomail.NewMsg()
				if err := errors.Join(g.From("lage@tuermer.example"), g.To(m.To)); err != nil {
					return err
				}
				g.Subject(m.Subject)
				g.SetBodyString(gomail.TypeTextPlain, m.Text)
				return c.Send(g)
			}, nil
		})
	})
}

// BenchmarkBatch is the CPU of a mail without any latency, server included.
func BenchmarkBatch(b *testing.B) {
	w := newNetwork(0)
	w.serve(b, (&moody{pipelining: true}).handle)
	a := adapter(b, w, func(o *Options) { o.MaxConns = 2 })
	ms := messages(1000)
	b.ReportAllocs()
	for b.Loop() {
		a.SendBatch(b.Context(), ms)
	}
	b.ReportMetric(float64(len(ms)*b.N)/b.Elapsed().Seconds(), "mails/s")
}

func BenchmarkCompose(b *testing.B) {
	m := message(1)
	m.HTML = "<p>Seit 09:20 Uhr antwortet das Bürgerportal nicht.</p>"
	m.Thread = "alert-7"
	for _, eight := range []bool{true, false} {
		b.Run(fmt.Sprint("8bit=", eight), func(b *testing.B) {
			var w writer
			b.ReportAllocs()
			for b.Loop() {
				w.compose(sender{address: "lage@tuermer.example", name: "Türmer", idDomain: "tuermer.example"}, &m, "ada@musterstadt.example", eight, testNow)
			}
		})
	}
}
