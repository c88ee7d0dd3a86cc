//! What the document says in words.

use patron_wire::Limits;

use crate::route::Endpoint;
use crate::rules::{NAME_LENGTH_MAX, REFERENCE_LENGTH_MIN_V3_2};
use crate::{SETTING_API_VERSION, SETTING_NAMES};

/// Of an operation: a line, and what else there is to know.
pub(super) struct Words {
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
}

pub(super) const API_KEY: &str = "The API key as the user's name, with an empty password: \
    `Authorization: Basic base64(\"KEY:\")`. The colon may be left out. The key alone says whose \
    customers are meant.";

pub(super) const CLIENT_AUTH_TOKEN: &str = "A client auth token, with which a customer's own device \
    reads and updates that customer and no other. It is handed out with a customer when \
    `options.get_client_auth_token` is on, and works for a short time and a limited number of \
    requests.";

pub(super) const CLIENT_AUTH_TOKEN_IN_QUERY: &str = "The same token in the query, where no \
    `Authorization` header is sent.";

pub(super) const MERCHANT: &str = "The merchant's id. Where it is sent and not empty, it must be the \
    one that the credential belongs to. `x-merchant-id` and `merchant-id` mean the same.";

pub(super) const REQUEST_ID: &str = "An id for this request, which the answer repeats: 1 to 128 \
    printable ASCII characters. In place of any other a UUID is made.";

pub(super) const IF_MATCH: &str = "Entity tags of earlier answers. Where the customer has none of \
    these versions any more, nothing is changed and the answer is a 412. `*` is met by any \
    customer that is there.";

/// What is said about the whole wire.
pub(super) fn about(limits: Limits) -> String {
    let kib = limits.body_size_max / 1024;
    let seconds = limits.body_time_max.as_secs();
    format!(
        "Customers in the format of Juspay's Express Checkout, as its client libraries speak it.\n\n\
         Bodies are forms or JSON with the same flat keys. The body decides, not its \
         `Content-Type`: one whose first character is `{{` is JSON. JSON integers stand for their \
         digits, and `null` for a key that was not sent. Keys that are not known are ignored; a known \
         key that appears twice is wrong. A body has at most {kib} KiB and arrives within {seconds} \
         seconds, unless the server is set otherwise.\n\n\
         A `%` in a path that encodes nothing stands for itself, and a `+` is a plus.\n\n\
         Success is always 200. Every answer is JSON, with the request's id in `x-request-id` and \
         `x-response-id`; the same id stands in an error's `error_info`. Other paths than these are \
         answered with 404 and `endpoint_not_found`, other methods with 405 and \
         `method_not_allowed`."
    )
}

pub(super) fn version() -> String {
    format!(
        "The version of the API. Only `3.2` means something, and says what the merchant's setting \
         `{SETTING_API_VERSION}` says for all requests: an answer also carries `customer_id`, a new \
         reference has at least {REFERENCE_LENGTH_MIN_V3_2} characters, and an email address is \
         required for a new customer."
    )
}

pub(super) fn name(which: &str) -> String {
    format!(
        "The {which} name, at most {NAME_LENGTH_MAX} characters. Empty clears it. For merchants whose \
         `{SETTING_NAMES}` is `unicode`, letters of any script, marks, spaces and apostrophes are \
         allowed as well."
    )
}

pub(super) const fn of(endpoint: Endpoint) -> Words {
    match endpoint {
        Endpoint::CreateCustomer => Words {
            summary: "Create a customer",
            description: "Creates a customer under a reference that is not taken yet.",
        },
        Endpoint::ListCustomers => Words {
            summary: "List customers",
            description: "The customers, newest first. Customers that were deleted are neither in the \
                          list nor in its total.",
        },
        Endpoint::FindCustomer => Words {
            summary: "Read a customer",
            description: "The customer with this id or reference. Should the reference of one be the \
                          id of another, the id wins. To hand out a client auth token takes a key that \
                          may both read and write.",
        },
        Endpoint::UpdateCustomer => Words {
            summary: "Update a customer",
            description: "Changes the fields that are sent and leaves the others as they are. What is \
                          sent empty is cleared. A value that is stored already is always allowed; where \
                          nothing changes, there is no new version.",
        },
        Endpoint::EnsureCustomer => Words {
            summary: "Get or create a customer by the reference in the body",
            description: "A new reference creates the customer. A known one answers the customer as it \
                          is, or updated when `update` is on. Of many first requests at once exactly one \
                          creates.",
        },
        Endpoint::EnsureNamedCustomer => Words {
            summary: "Get or create a customer by the reference in the path",
            description: "As with the reference in the body, which is ignored here. Only references \
                          count, never ids.",
        },
    }
}
