package gateway

import "slices"

// Generic is the kind of an entry that writes its request itself.
const Generic = "http-json"

// preset is the documented interface of one provider. The page that
// tells of it is named at each; not every page could be read here, so some of it
// is what is commonly known. None was tried against the real
// service from here, which needs a contract.
type preset struct {
	url, body, contentType, auth, idPath string
	headers                              [][2]string
	okPath                               string
	okValues, dead                       []string
	receipt                              Paths
	reply                                ReplyPaths
}

// Paths say where a receipt holds what; each is tried in turn. A field of a form
// or of a query is a path, too.
type Paths struct {
	ID        []string // our own id
	Reference []string // the provider's
	Status    []string
	Reason    []string
	Arrived   []string // statuses in lower case
	Lost      []string
	Key       []string // what was pressed on the telephone
}

// ReplyPaths say where an answer holds what.
type ReplyPaths struct{ ID, From, Text []string }

// generic is what a receipt of an own gateway may look like.
var generic = preset{
	contentType: "application/json",
	idPath:      "id",
	receipt: Paths{
		ID: []string{"id", "ID"}, Reference: []string{"reference", "message_id", "messageId", "msg_id"}, Status: []string{"status", "state"},
		Reason: []string{"reason", "error", "error_code"},
		// Many hand on the words of SMPP (Appendix B of 3.4): DELIVRD, UNDELIV, REJECTD.
		Arrived: []string{"delivered", "arrived", "ok", "delivrd"},
		Lost: []string{
			"failed", "undelivered", "undeliverable", "expired", "rejected", "notdelivered", "delivery_failed", "canceled",
			"undeliv", "rejectd", "deleted",
		},
	},
	reply: ReplyPaths{ID: []string{"id", "reply_id"}, From: []string{"from", "sender"}, Text: []string{"text", "message", "body"}},
}

// calls is what a receipt of a call may look like. Answered is not arrived, for an
// answering machine answers; a call that is over without a key was nobody's.
var calls = Paths{
	ID: generic.receipt.ID, Reference: append([]string{"call_id", "callId", "CallSid"}, generic.receipt.Reference...),
	Status: append([]string{"CallStatus", "event"}, generic.receipt.Status...), Reason: generic.receipt.Reason,
	Arrived: []string{"confirmed", "acknowledged"},
	Lost: []string{
		"busy", "no-answer", "no_answer", "noanswer", "unanswered", "declined", "rejected", "failed", "canceled", "cancelled", "completed",
		"hangup", "machine", "voicemail", "answering-machine", "expired", "undelivered",
	},
	Key: []string{"key", "digit", "digits", "Digits", "dtmf"},
}

// presets are the providers whose interface is known.
var presets = map[string]preset{
	// docs.seven.io/en/rest-api/endpoints/sms and …/webhooks: success "100" in the
	// body is the only yes; 202 is a number that is none.
	"seven": {
		url: "https://gateway.seven.io/api/sms", contentType: "application/json",
		headers: [][2]string{{"X-Api-Key", "{{.Secret}}"}, {"Accept", "application/json"}},
		body:    `{"to":"{{.To}}","text":"{{.Text}}","from":"{{.From}}","foreign_id":"{{.ID}}"}`,
		idPath:  "messages.0.id", okPath: "success", okValues: []string{"100"}, dead: []string{"202", "301", "305", "401"},
		receipt: Paths{
			ID: []string{"data.foreign_id"}, Reference: []string{"data.msg_id"}, Status: []string{"data.status"}, Reason: []string{"data.status"},
			Arrived: []string{"delivered"}, Lost: []string{"notdelivered", "expired", "rejected", "failed"},
		},
		reply: ReplyPaths{ID: []string{"data.id"}, From: []string{"data.sender"}, Text: []string{"data.text"}},
	},
	// gatewayapi.com/docs/apis/rest: a token, numbers without plus, one callback
	// per message. The European platform is another host: set url.
	"gatewayapi": {
		url: "https://gatewayapi.com/rest/mtsms", contentType: "application/json",
		headers: [][2]string{{"Authorization", "Token {{.Secret}}"}},
		body:    `{"sender":"{{.From}}","message":"{{.Text}}","userref":"{{.ID}}","callback_url":"{{.Callback}}","recipients":[{"msisdn":"{{.Digits}}"}]}`,
		idPath:  "ids.0",
		receipt: Paths{
			ID: []string{"userref"}, Reference: []string{"id"}, Status: []string{"status"}, Reason: []string{"error", "code"},
			Arrived: []string{"delivered"}, Lost: []string{"expired", "deleted", "undeliverable", "rejected", "skipped"},
		},
		reply: ReplyPaths{ID: []string{"id"}, From: []string{"msisdn"}, Text: []string{"message"}},
	},
	// twilio.com/docs/messaging/api/message-resource: a form, Basic, 201; the
	// account's SID is the user. Status callbacks are forms.
	"twilio": {
		url: "https://api.twilio.com/2010-04-01/Accounts/{{.User}}/Messages.json", contentType: "application/x-www-form-urlencoded", auth: "basic",
		body:   `To={{.To}}&From={{.From}}&Body={{.Text}}&StatusCallback={{.Callback}}`,
		idPath: "sid",
		receipt: Paths{
			Reference: []string{"MessageSid", "SmsSid"}, Status: []string{"MessageStatus", "SmsStatus"}, Reason: []string{"ErrorCode"},
			Arrived: []string{"delivered", "read"}, Lost: []string{"undelivered", "failed", "canceled"},
		},
		reply: ReplyPaths{ID: []string{"MessageSid"}, From: []string{"From"}, Text: []string{"Body"}},
	},
	// developers.messagebird.com/api/sms-messaging: AccessKey, status reports come
	// as GET with a query.
	"messagebird": {
		url: "https://rest.messagebird.com/messages", contentType: "application/json",
		headers: [][2]string{{"Authorization", "AccessKey {{.Secret}}"}},
		body:    `{"originator":"{{.From}}","recipients":["{{.Digits}}"],"body":"{{.Text}}","reference":"{{.ID}}","datacoding":"auto","reportUrl":"{{.Callback}}"}`,
		idPath:  "id",
		receipt: Paths{
			ID: []string{"reference"}, Reference: []string{"id"}, Status: []string{"status"}, Reason: []string{"statusReason", "statusErrorCode"},
			Arrived: []string{"delivered"}, Lost: []string{"expired", "delivery_failed"},
		},
		reply: ReplyPaths{ID: []string{"id"}, From: []string{"originator"}, Text: []string{"body"}},
	},
	// api.sipgate.com/v2/doc, /sessions/sms: Basic with a token's id and token;
	// from is the SMS extension ("s0"); it answers 204 and reports nothing.
	"sipgate": {
		url: "https://api.sipgate.com/v2/sessions/sms", contentType: "application/json", auth: "basic",
		body: `{"smsId":"{{.From}}","recipient":"{{.To}}","message":"{{.Text}}"}`,
	},
	// json.aspsms.com, SendSimpleTextSMS: user and password in the body,
	// StatusCode "1" is the only yes; reports are a query that it fills itself.
	"aspsms": {
		url: "https://json.aspsms.com/SendSimpleTextSMS", contentType: "application/json",
		body:   `{"UserName":"{{.User}}","Password":"{{.Secret}}","Originator":"{{.From}}","Recipients":["{{.To}}"],"MessageText":"{{.Text}}"}`,
		okPath: "StatusCode", okValues: []string{"1"},
	},
}

// Presets names the kinds that an entry can have.
func Presets() []string {
	out := []string{Generic}
	for name := range presets {
		out = append(out, name)
	}
	slices.Sort(out[1:])
	return out
}

// Host is where a kind's provider lies, for the warning about an entry without
// an address of its own.
func Host(kind string) string { return presets[kind].url }
