package mail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPostfixSink sends a batch to Debian's smtp-sink, over a real socket and
// to a server of yet another hand, and reads what it wrote down.
func TestPostfixSink(t *testing.T) {
	const binary = "/usr/sbin/smtp-sink"
	if _, err := os.Stat(binary); errors.Is(err, fs.ErrNotExist) {
		t.Skip("smtp-sink is not installed (Debian package postfix)")
	}
	for name, flags := range map[string][]string{"pipelining": nil, "plain": {"-p"}, "old": {"-e", "-8"}} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("/tmp", "sink")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			os.Chmod(dir, 0o777) // smtp-sink gives root up
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := free.Addr().(*net.TCPAddr)
			free.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			var args []string
			if os.Getuid() == 0 {
				args = append(args, "-u", "nobody")
			}
			args = append(args, flags...)
			args = append(args, "-d", dir+"/mail.", fmt.Sprintf("127.0.0.1:%d", addr.Port), "100")
			sink := exec.CommandContext(ctx, binary, args...)
			var said strings.Builder
			sink.Stderr = &said
			if err := sink.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { cancel(); sink.Wait() }()
			a := adapter(t, newNetwork(0), func(o *Options) {
				o.Host, o.Port, o.DialContext, o.MaxConns = "127.0.0.1", addr.Port, nil, 4
			})
			for a.Check(ctx) != nil { // until it listens
				if ctx.Err() != nil {
					t.Fatal("smtp-sink did not start: ", said.String())
				}
				<-time.After(10 * time.Millisecond)
			}
			ms := messages(200)
			for i := range ms {
				ms[i].Text = fmt.Sprintf("Grüße an %d\n.\n", i)
			}
			for _, o := range a.SendBatch(ctx, ms) {
				if o.Err != nil {
					t.Fatal(o.Err, said.String())
				}
			}
			files, err := filepath.Glob(dir + "/mail.*")
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, file := range files {
				raw, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				p := parse(t, raw)
				to, err := p.header.AddressList("To")
				if err != nil {
					t.Fatal(err)
				}
				n := strings.TrimSuffix(strings.TrimPrefix(to[0].Address, "ada"), "@musterstadt.example")
				// smtp-sink closes its file with an empty line.
				if strings.TrimRight(p.text, "\n") != "Grüße an "+n+"\n." {
					t.Errorf("%s got %q", to[0].Address, p.text)
				}
				seen[n] = true
			}
			if len(seen) != len(ms) {
				t.Errorf("%d files, %d people, want %d: %s", len(files), len(seen), len(ms), said.String())
			}
		})
	}
}
