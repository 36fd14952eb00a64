// Is this a webhook as Standard Webhooks' own library has it? Reads {"secret", "headers", "body"} line by line
// and answers "yes" or why not.
import { createInterface } from 'node:readline';
import { Webhook } from 'standardwebhooks';

for await (const line of createInterface({ input: process.stdin })) {
	const { secret, headers, body } = JSON.parse(line);
	try {
		new Webhook(secret).verify(body, headers);
		console.log('yes');
	} catch (error) {
		console.log(error.message);
	}
}
