package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing/synctest"
	"time"
)

// smsProvider takes short messages as JSON and reports that they arrived, unless
// it is told not to.
type smsProvider struct {
	stage *stage
	srv   *http.Server
	done  chan struct{}

	mu     sync.Mutex
	silent bool
	taken  []shortMessage
	read   map[int]bool
	wg     sync.WaitGroup
}

type shortMessage struct{ To, Text, ID, Callback string }

// provider of short messages: SMS-Anbieter öffnet unter sms.example | quittiert nicht | quittiert.
func (s *stage) smsProvider(args []string) error {
	switch {
	case args[0] == "öffnet":
		return s.openSMS(args[len(args)-1])
	case s.sms == nil:
		return errors.New("den SMS-Anbieter gibt es noch nicht")
	case args[0] == "quittiert":
		s.sms.mu.Lock()
		defer s.sms.mu.Unlock()
		s.sms.silent = len(args) > 1 && args[1] == "nicht"
		return nil
	}
	return errors.New("erwartet wird öffnet unter, quittiert oder quittiert nicht")
}

func (s *stage) openSMS(host string) error {
	l, err := s.net.Listen(context.Background(), "tcp", hostPort(host))
	if err != nil {
		return err
	}
	p := &smsProvider{stage: s, done: make(chan struct{}), read: map[int]bool{}}
	p.srv = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(p.done)
		_ = p.srv.Serve(l)
	}()
	s.sms = p
	return nil
}

func (p *smsProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var m shortMessage
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil || !strings.HasPrefix(m.To, "+") || m.Text == "" || m.ID == "" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = append(p.taken, m)
	if !p.silent && m.Callback != "" {
		p.wg.Go(func() { p.report(m) })
	}
	w.WriteHeader(http.StatusOK)
}

// report tells that the message is on the telephone, a second later.
func (p *smsProvider) report(m shortMessage) {
	time.Sleep(time.Second)
	client := &http.Client{Transport: &http.Transport{DialContext: p.stage.net.Dial, DisableKeepAlives: true}, Timeout: 20 * time.Second}
	res, err := client.Post(m.Callback, "application/json", strings.NewReader(fmt.Sprintf(`{"id":%q,"status":"delivered"}`, m.ID)))
	if err == nil {
		_ = res.Body.Close()
	}
}

func (p *smsProvider) down() {
	_ = p.srv.Close()
	<-p.done
	p.wg.Wait()
}

// textTo: SMS an +491700000001 "Worte" … | SMS nicht an +49….
func (s *stage) textTo(args []string) error {
	if s.sms == nil {
		return errors.New("den SMS-Anbieter gibt es noch nicht")
	}
	if s.database == "" {
		synctest.Wait()
		time.Sleep(settle)
		synctest.Wait()
	}
	not := args[0] == "nicht"
	if not {
		args = args[1:]
	}
	to, words := args[1], args[2:]
	s.sms.mu.Lock()
	defer s.sms.mu.Unlock()
	for i, m := range s.sms.taken {
		found := m.To == to && !s.sms.read[i]
		for _, w := range words {
			found = found && strings.Contains(m.Text, w)
		}
		if found && not {
			return fmt.Errorf("an %s ging: %s", to, m.Text)
		}
		if found {
			s.sms.read[i] = true
			return nil
		}
	}
	if not {
		return nil
	}
	return fmt.Errorf("keine solche SMS an %s; es gibt %+v", to, s.sms.taken)
}
