//! What is sent: requests as bytes, each made from a number.

use patron_testkit::chance::Chance;
use patron_testkit::http::Call;
use patron_testkit::server::SANDBOX_KEY;

/// How many customers the hot set has.
pub(crate) const HOT: u32 = 1_000;

/// Where the numbers of customers begin that are written to be taken after.
const SAMPLES_FROM: u32 = 4_000_000_000;

/// Makes the requests of one kind, one after the other.
pub(crate) struct Requests {
    kind: Kind,
    /// Everything but the numbers, encoded once: a load that takes time to write its requests
    /// measures itself.
    pieces: Vec<Piece>,
}

enum Kind {
    /// Always the same.
    Fixed,
    /// One of the first so many customers, by the merchant's reference.
    Read { customers: u32, chance: Chance },
    /// A new customer; every number is sent once.
    Create { next: u64 },
}

enum Piece {
    Text(Vec<u8>),
    /// The number in ten digits, however small, so that all requests of a kind are equally long.
    Digits,
    /// The same in letters, for names, which have no digits.
    Letters,
}

/// Stand in a template where the number comes, as long as it.
const DIGITS: &str = "0123456789";
const LETTERS: &str = "abcdefghij";

impl Requests {
    /// The ceiling's one document.
    pub(crate) fn fixed() -> Self {
        Self::new(Kind::Fixed, authorized(Call::get("/")))
    }

    /// Any of the first so many customers, each as likely as the others.
    pub(crate) fn reads(customers: u32) -> Self {
        let call = authorized(Call::get(format!("/customers/{}", reference())));
        Self::new(Kind::Read { customers, chance: Chance::new(customers.into()) }, call)
    }

    /// New customers with all the usual fields, each with values of its own, as in real life: an
    /// index takes the same value again more easily.
    pub(crate) fn creates(first: u32) -> Self {
        let reference = reference();
        let form = format!(
            "object_reference_id={reference}&mobile_number={DIGITS}&mobile_country_code=91\
             &email_address={reference}&first_name=Jon&last_name={LETTERS}"
        );
        let call = authorized(Call::new("POST", "/customers").form(form));
        Self::new(Kind::Create { next: first.into() }, call)
    }

    /// New customers that look as those do, and are none of them.
    pub(crate) fn samples() -> Self {
        Self::creates(SAMPLES_FROM)
    }

    fn new(kind: Kind, call: Call) -> Self {
        let mut template = call.head("127.0.0.1");
        template.extend(call.body());
        let template = String::from_utf8_lossy(&template);
        let mut template = &*template;
        let mut pieces = Vec::new();
        while let Some((at, mark, piece)) = next_mark(template) {
            let (text, rest) = template.split_at(at);
            pieces.extend([Piece::Text(text.into()), piece]);
            template = rest.strip_prefix(mark).unwrap_or_default();
        }
        pieces.push(Piece::Text(template.into()));
        Self { kind, pieces }
    }

    /// Writes the next request into `out`, in place of what is there.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>) {
        let mut number = match &mut self.kind {
            Kind::Fixed => 0,
            Kind::Read { customers, chance } => chance.next() % u64::from(*customers).max(1),
            Kind::Create { next } => {
                *next += 1;
                *next - 1
            }
        };
        let mut digits = [0; DIGITS.len()];
        for digit in digits.iter_mut().rev() {
            *digit = u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
        out.clear();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Digits => out.extend(digits.iter().map(|digit| b'0' + digit)),
                Piece::Letters => out.extend(digits.iter().map(|digit| b'a' + digit)),
            }
        }
    }
}

/// Where the next place for a number is, what stands there, and what is to come there.
fn next_mark(template: &str) -> Option<(usize, &'static str, Piece)> {
    let found = |mark, piece| template.find(mark).map(|at| (at, mark, piece));
    let places = [found(DIGITS, Piece::Digits), found(LETTERS, Piece::Letters)];
    places.into_iter().flatten().min_by_key(|(at, ..)| *at)
}

/// A question that a server answers whatever it holds.
pub(crate) fn any_customer() -> Call {
    authorized(Call::get("/customers?count=1&offset=0"))
}

fn reference() -> String {
    format!("customer{DIGITS}%40example.com")
}

fn authorized(call: Call) -> Call {
    call.basic(SANDBOX_KEY).header("x-merchantid", "testaccount")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(requests: &mut Requests) -> String {
        let mut out = b"left over".to_vec();
        requests.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_create_is_of_another_customer_and_as_long_as_it_says() {
        let mut creates = Requests::creates(7);
        let (seventh, eighth) = (next(&mut creates), next(&mut creates));
        for (text, number) in [(&seventh, 7), (&eighth, 8)] {
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("POST /customers HTTP/1.1\r\n"), "{head}");
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
            let digits = format!("{number:010}");
            assert_eq!(body.matches(&digits).count(), 3, "{body}");
        }
        assert!(eighth.ends_with("&last_name=aaaaaaaaai"), "{eighth}");
        for requests in [Requests::fixed(), Requests::reads(9)] {
            assert!(next(&mut { requests }).ends_with("\r\n\r\n"));
        }
    }

    #[test]
    fn reads_are_of_the_customers_that_there_are() {
        let mut reads = Requests::reads(3);
        let mut seen: Vec<_> = (0..100).map(|_| next(&mut reads)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 3);
        for (number, text) in seen.iter().enumerate() {
            let target = format!("GET /customers/customer{number:010}%40example.com HTTP/1.1\r\n");
            assert!(text.starts_with(&target), "{text}");
        }
    }
}
