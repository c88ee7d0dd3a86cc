// What a shop does with the vendor's Node library, through its public API only. Prints one JSON
// object: for each step what the library returned, or the error that it threw.
//
//   node story.js <everything|refused> <host> <api key>

const { Juspay, APIError, InvalidRequestError, AuthenticationError, AuthorizationError } =
  require('expresscheckout-nodejs')

// Documented in the library's README under "Disable logs".
Juspay.customLogger = Juspay.silentLogger

const [story, host, apiKey] = process.argv.slice(2)
const juspay = new Juspay({ merchantId: 'testaccount', apiKey, baseUrl: `https://${host}` })

const errors = { InvalidRequestError, AuthenticationError, AuthorizationError, APIError }

/** What a promise came to, as plain data. */
async function outcome(promise) {
  try {
    const { http, ...answer } = await promise
    return {
      status: http.statusCode,
      request_id: http.headers['x-request-id'],
      merchant: http.headers['x-jp-merchant-id'],
      answer,
    }
  } catch (error) {
    const type = Object.keys(errors).find((name) => error instanceof errors[name])
    const { name, status, error_code, error_message, user_message, error_info } = error
    return { type: type ?? String(error), name, status, error_code, error_message, user_message, error_info }
  }
}

const stories = {
  async everything() {
    const results = {}
    const step = async (name, promise) => (results[name] = await outcome(promise))
    const { customer } = juspay

    const created = await step('create', customer.create({
      object_reference_id: 'customer@gmail.com',
      mobile_number: '99887766',
      email_address: 'customer@gmail.com',
      first_name: 'Jon',
      last_name: undefined,
      mobile_country_code: '65',
    }))
    await step('create_with_token', customer.create({
      object_reference_id: 'arya@gmail.com',
      mobile_number: '11223344',
      'options.get_client_auth_token': true,
    }))
    await step('get_by_id', customer.get(created.answer.id))
    await step('get_by_reference_with_token', customer.get('customer@gmail.com', {
      'options.get_client_auth_token': true,
    }))
    await step('update', customer.update('customer@gmail.com', {
      first_name: 'Aegon',
      last_name: undefined,
      email_address: undefined,
    }))
    await step('update_by_id', customer.update(created.answer.id, { last_name: '(T.)' }))

    await step('create_again', customer.create({
      object_reference_id: 'customer@gmail.com',
      mobile_number: '99887766',
    }))
    await step('wrong_value', customer.create({
      object_reference_id: 'sansa@gmail.com',
      mobile_number: '-99887766',
    }))
    await step('space_in_a_name', customer.update('customer@gmail.com', { first_name: 'Jon Snow' }))
    await step('missing', customer.create({
      object_reference_id: 'sansa@gmail.com',
      mobile_number: undefined,
    }))
    await step('get_unknown', customer.get('nobody@gmail.com'))
    await step('update_unknown', customer.update('cst_om2l6ctlptxwxuzj', { first_name: 'Jon' }))
    await step('wrong_key', customer.get(created.answer.id, undefined, {
      apiKey: 'FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF',
    }))
    await step('wrong_merchant', customer.get(created.answer.id, undefined, {
      merchantId: 'TestAccount',
    }))
    return results
  },

  /** To be told when the merchant's allow-list does not hold this machine. */
  async refused() {
    return { get: await outcome(juspay.customer.get('customer@gmail.com')) }
  },
}

stories[story]().then(
  (results) => {
    process.stdout.write(JSON.stringify(results), () => process.exit(0))
  },
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
