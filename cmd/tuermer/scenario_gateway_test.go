package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"tuermer/internal/town/channel/smpptest"
)

// short is a short message as the provider took it.
type short struct {
	To, Text, ID, Callback, Reply string
	over                          string // name of the provider
	call                          bool
	read                          bool
	centre                        *smppCentre // that took it; nil: a gateway
	parts                         *smpptest.Text
}

// smsGateway is a provider of short messages that takes what the entry in
// tuermer.yaml writes, and nothing else.
type smsGateway struct {
	name, addr string
	call       bool // it rings instead of writing
	net        *memnet
	srv        *http.Server
	done       chan struct{}

	mu     sync.Mutex
	mode   string // "läuft", "bremst", "hängt"
	prompt bool   // it reports by itself, a second later, that a message has arrived
	freed  chan struct{}
	faults []error
	took   []*short
	tells  sync.WaitGroup
}

// gateway: Anbieter erster läuft | bremst | hängt | fällt aus | quittiert.
func (s *stage) gateway(args []string) error {
	name := args[0]
	if c, err := s.centre(name); c != nil || err != nil {
		return errors.Join(err, c.set(args[1:]))
	}
	g := s.gateways[name]
	for i, c := range slices.Concat(s.config.SMS, s.config.Voice) {
		if u, err := url.Parse(c.URL); g == nil && c.Name == name && err == nil {
			g = &smsGateway{name: name, call: i >= len(s.config.SMS), net: s.net, addr: hostPort(u.Host), freed: make(chan struct{})}
			if s.gateways == nil {
				s.gateways = map[string]*smsGateway{}
			}
			s.gateways[name] = g
		}
	}
	if g == nil {
		return fmt.Errorf("in tuermer.yaml steht kein Anbieter %s", name)
	}
	switch args[1] {
	case "fällt":
		g.down()
		return nil
	case "läuft", "bremst", "hängt":
		g.mu.Lock()
		g.mode = args[1]
		g.mu.Unlock()
		return g.up()
	case "quittiert":
		g.mu.Lock()
		defer g.mu.Unlock()
		g.prompt = true
		return nil
	}
	return errors.New("erwartet wird läuft, bremst, hängt, fällt aus oder quittiert")
}

func (g *smsGateway) up() error {
	if g.srv != nil {
		return nil
	}
	l, err := g.net.Listen(context.Background(), "tcp", g.addr)
	if err != nil {
		return err
	}
	g.srv, g.done, g.freed = &http.Server{Handler: g, ReadHeaderTimeout: time.Minute}, make(chan struct{}), make(chan struct{})
	srv, done := g.srv, g.done
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	return nil
}

func (g *smsGateway) down() {
	defer g.tells.Wait()
	if g.srv == nil {
		return
	}
	close(g.freed)
	_ = g.srv.Close()
	<-g.done
	g.srv = nil
}

func (g *smsGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := &short{over: g.name, call: g.call}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(m)
	g.mu.Lock()
	mode := g.mode
	switch {
	case err != nil || r.Method != http.MethodPost || !strings.HasPrefix(m.To, "+") || m.Text == "" || m.ID == "":
		g.faults = append(g.faults, fmt.Errorf("%s %+v: %w", r.Method, m, err))
		mode = "faul"
	case mode == "läuft":
		g.took = append(g.took, m)
		if g.prompt && m.Callback != "" {
			g.tells.Go(func() {
				time.Sleep(time.Second)
				_ = tell(g.net, m.Callback, map[string]string{"id": m.ID, "status": "delivered"}) // we may be away just then
			})
		}
	}
	g.mu.Unlock()
	switch mode {
	case "faul":
		http.Error(w, "bad request", http.StatusBadRequest)
	case "bremst":
		w.Header().Set("Retry-After", "60")
		http.Error(w, "slow down", http.StatusTooManyRequests)
	case "hängt":
		select {
		case <-r.Context().Done():
		case <-g.freed:
		}
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"id":"%s-%s"}`, g.name, m.ID)
	}
}

// find is the first message, or call, to a number that holds the words and was not
// read.
func (s *stage) find(call bool, to, over string, words []string) (*short, error) {
	var told []string
	for name, c := range s.centres {
		all, err := c.all()
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			told = append(told, fmt.Sprintf("%s über %s: %s (gelesen: %t)", m.To, m.over, m.Text, m.read))
			missing := m.read || m.To != to || over != "" && over != name
			for _, w := range words {
				missing = missing || !strings.Contains(m.Text, w)
			}
			if !missing {
				return m, nil
			}
		}
	}
	for name, g := range s.gateways {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.faults) > 0 {
			return nil, fmt.Errorf("%s hat etwas nicht angenommen: %w", name, g.faults[0])
		}
		for _, m := range g.took {
			told = append(told, fmt.Sprintf("%s über %s: %s (gelesen: %t)", m.To, m.over, m.Text, m.read))
			missing := m.read || m.call != call || m.To != to || over != "" && over != name
			for _, w := range words {
				missing = missing || !strings.Contains(m.Text, w)
			}
			if !missing {
				return m, nil
			}
		}
	}
	return nil, fmt.Errorf("das gibt es nicht; es gibt\n%s", strings.Join(told, "\n"))
}

// handset: Kurznachricht an +49… über erster "Worte" … | nicht an +49… | kommt an |
// kommt nicht an | Antwort "1". The last three are about the last one read.
func (s *stage) handset(args []string) error {
	if reads := args[0] == "an" || args[0] == "nicht"; reads && s.database == "" {
		synctest.Wait()
		time.Sleep(settle)
		synctest.Wait()
	}
	switch {
	case args[0] == "an" && len(args) > 1:
		words, over := args[2:], ""
		if len(words) > 1 && words[0] == "über" {
			over, words = words[1], words[2:]
		}
		m, err := s.find(false, args[1], over, words)
		if err != nil {
			return err
		}
		m.read, s.lastSMS = true, m
		return nil
	case args[0] == "nicht" && len(args) > 2:
		if m, err := s.find(false, args[2], "", args[3:]); err == nil {
			return fmt.Errorf("doch: %s", m.Text)
		}
		return nil
	}
	if s.lastSMS == nil {
		return errors.New("zuerst muss eine Kurznachricht gelesen sein")
	}
	m := s.lastSMS
	if m.centre != nil {
		return m.centre.tell(m, args)
	}
	switch strings.Join(args, " ") {
	case "kommt an":
		return s.tell(m.Callback, map[string]string{"id": m.ID, "status": "delivered"})
	case "kommt nicht an":
		return s.tell(m.Callback, map[string]string{"id": m.ID, "status": "undelivered", "reason": "absent subscriber"})
	}
	if args[0] == "Antwort" && len(args) == 2 {
		return s.tell(m.Reply, map[string]string{"id": "r-" + m.ID + args[1], "from": m.To, "text": args[1]})
	}
	return errors.New("erwartet wird an, nicht an, kommt an, kommt nicht an oder Antwort")
}

// tell posts to one of our addresses as the provider would.
func (s *stage) tell(address string, body map[string]string) error {
	return tell(s.net, address, body)
}

func tell(over *memnet, address string, body map[string]string) error {
	if address == "" {
		return errors.New("der Anbieter bekam keine Adresse dafür")
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return over.Dial(ctx, network, addr)
	}}}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, address, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s antwortet dem Anbieter mit %d", address, resp.StatusCode)
	}
	return nil
}
